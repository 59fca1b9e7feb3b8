"""The files of one set of transcoders, their settings, and the functions that make up a weight format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from clew.dictionary.file_listing import some_of
from clew.dictionary.formats.array_file import SUFFIXES, ArrayFile, open_arrays
from clew.dictionary.formats.config_keys import shown
from clew.dictionary.formats.config_yaml import SetConfig
from clew.dictionary.formats.file_settings import FileSettings, read_settings
from clew.dictionary.formats.hook_names import HOOKS, name_in_layer, point_of
from clew.dictionary.read_write_points import Point, ReadPoint, WritePoint
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError
from clew.options import option_name
from clew.progress import OnNote, ignore_note

PARENTS = 4
"""The number of folders above a file whose names may give the layer, for the folder of a single layer."""


@dataclass(frozen=True)
class Overrides:
    """Settings of the caller in place of the files' own."""

    read_point: ReadPoint | None = None
    write_point: WritePoint | None = None
    k: int | None = None


@dataclass(frozen=True)
class TranscoderFiles:
    """Files that are on disk, by their paths in a folder or repository."""

    name: str
    """The reference as the user wrote it."""
    paths: Mapping[str, Path]
    """Weights and settings; some may belong to another set."""
    config: SetConfig | None = None
    overrides: Overrides = field(default_factory=Overrides)
    numbers: Mapping[str, int] | None = None
    """The layer of each weight file, if config.yaml lists them in order."""
    whole: bool = True
    """False if the reference names a single file."""
    on_remark: OnNote = ignore_note
    """Called with a sentence about a setting of the files that the caller's own replaces."""

    @property
    def weights(self) -> list[str]:
        return sorted(name for name in self.paths if name.endswith(SUFFIXES))

    def open(self, name: str) -> ArrayFile:
        return open_arrays(self.paths[name])

    def layers(self, in_settings: Mapping[str, int | None] | None = None) -> dict[int, str]:
        """Weight files by layer: from the order in config.yaml, from settings, or from `layer_N` in a name.

        `in_settings` holds the layers that the files' own settings name. Raises `ClewError` for a file
        without a layer or with two, and for a layer with two files.
        """
        by_layer: dict[int, str] = {}
        for name in self.weights:
            layer = self._layer(name, (in_settings or {}).get(name))
            if layer in by_layer:
                raise ClewError(
                    f"{self.name} holds layer {layer} twice, in {by_layer[layer]} and {name}; name one of "
                    "them."
                )
            by_layer[layer] = name
        return dict(sorted(by_layer.items()))

    def _layer(self, name: str, in_settings: int | None) -> int:
        path = self.paths[name]
        listed, in_name = self.numbers[name] if self.numbers else None, layer_in(name)
        stated = [layer for layer in (listed, in_settings, in_name) if layer is not None]
        if not stated and (above := layer_in("/".join(path.parts[-PARENTS:]))) is not None:
            return above
        if not stated:
            raise ClewError(
                f"The name of {path} does not say its layer; rename the file to layer_N{path.suffix}, or its "
                "folder to layer_N."
            )
        if len(set(stated)) > 1:
            other = "its place in config.yaml" if listed is not None else "its settings"
            raise ClewError(
                f"{name} is layer {in_name} by its name, but layer {stated[0]} by {other}; correct one of "
                "the two."
            )
        return stated[0]

    def settings(self, name: str) -> FileSettings:
        """A JSON file of settings. Raises `ClewError` for a missing or damaged one."""
        if name not in self.paths:
            raise ClewError(f"{self.name} has no {name}, which its weights need; fetch it too.")
        return read_settings(self.paths[name])

    def settings_beside(self, weights: str, name: str, default: FileSettings | None = None) -> FileSettings:
        """A JSON file of settings in the folder of a weight file; without a default it must exist."""
        folder = weights.rpartition("/")[0]
        path = f"{folder}/{name}" if folder else name
        return default if default and path not in self.paths else self.settings(path)

    def require_folder(self) -> None:
        """Raise `ClewError` for a single file of a format that needs all of its files."""
        if not self.whole:
            raise ClewError(f"{self.name} is one part of a cross-layer transcoder; name its folder.")

    def points(
        self,
        settings: Iterable[FileSettings],
        read_hooks: Sequence[str],
        write_hooks: Sequence[str],
        reads: ReadPoint | None = None,
        writes: WritePoint | None = None,
    ) -> tuple[ReadPoint, WritePoint]:
        """The read and write point of all layers, or the defaults.

        They come from hooks in each file's settings; of several keys the first one that is there decides.
        Raises `ClewError` for points that differ between layers.
        """
        points = {
            (
                self.read_point(each.text(*read_hooks), each.path, reads),
                self.write_point(each.text(*write_hooks), each.path, writes),
            )
            for each in settings
        }
        if len(points) > 1:
            raise ClewError(
                f"{self.name} reads or writes at different points in different layers; load the layers of "
                "one point at a time."
            )
        return points.pop()

    def read_point(
        self, hook: str = "", path: Path | None = None, default: ReadPoint | None = None
    ) -> ReadPoint:
        """The read point of the caller, of config.yaml, of a hook in a file, or else the default."""
        in_config = self.config.read_hook if self.config else ""
        return self._point(ReadPoint, self.overrides.read_point, in_config, hook, path, default)

    def write_point(
        self, hook: str = "", path: Path | None = None, default: WritePoint | None = None
    ) -> WritePoint:
        """The write point, from the same places as the read point."""
        config = self.config
        in_config = config.write_hook if config else ""
        own = None if self.overrides.write_point else config and config.write_point
        return own or self._point(WritePoint, self.overrides.write_point, in_config, hook, path, default)

    def _point(
        self,
        kind: type[Point],
        override: Point | None,
        in_config: str,
        hook: str,
        path: Path | None,
        default: Point | None,
    ) -> Point:
        stated = [(in_config, self.config.path)] if self.config and in_config else []
        stated += [(hook, path)] if hook and path else []
        if override:
            for name, place in stated:
                if HOOKS[kind].get(name_in_layer(name)) is not override:
                    self.on_remark(
                        f"{place} says that features {kind.verb()} at {shown(name)}; they {kind.verb()} at "
                        f"{override.option} instead, as {option_name(f'{kind.verb()}_point')} says."
                    )
            return override
        points = [point_of(kind, name, place) for name, place in stated]
        if len(set(points)) > 1:
            (first, first_path), (second, second_path) = stated
            raise ClewError(
                f"{first_path} says that features {kind.verb()} at '{shown(first)}', but {second_path} says "
                f"at '{shown(second)}'; pass the right one with {option_name(f'{kind.verb()}_point')}."
            )
        point = points[0] if points else default
        if point is not None:
            return point
        raise ClewError(
            f"{self.name} does not say where its features {kind.verb()}; pass "
            f"{option_name(f'{kind.verb()}_point')}, one of {', '.join(point.option for point in kind)}."
        )

    @property
    def model_name(self) -> str:
        return self.config.model_name if self.config else ""


@dataclass(frozen=True)
class Format:
    """A published weight format."""

    name: str
    """For people."""
    layout: str
    """The names of its files, for people."""
    choose_files: Callable[[Sequence[str], str, OnNote], list[str]]
    """Takes the files of a listing, its name and `on_note`; returns the weight files to read, by their names
    (nothing is fetched yet). Empty for a listing of another format. Raises `ClewError` for several sets."""
    holds: Callable[[ArrayFile], bool]
    """True for a file with the arrays of this format."""
    load: Callable[[TranscoderFiles], TranscoderSet]
    """Reads the set. Raises `ClewError` for files that do not follow the format."""


def layer_in(name: str) -> int | None:
    """The last `layer_3` or `layer.3` or `W_enc_3` in a path."""
    numbers = re.findall(r"(?<![A-Za-z])(?:layer[_.-]?|W_enc_|W_dec_)(\d+)", PurePosixPath(name).as_posix())
    return int(numbers[-1]) if numbers else None


def require_all(files: TranscoderFiles, layers: Sequence[int], arrays: str) -> None:
    """Raise `ClewError` for missing layers below the last one, in a format that needs all of them."""
    missing = sorted(set(range(max(layers) + 1)) - set(layers))
    if missing:
        raise ClewError(
            f"{files.name} has {arrays} up to layer {max(layers)} but not for layer "
            f"{', '.join(map(str, missing))}; fetch the missing files."
        )


def several_sets(name: str, patterns: Sequence[str]) -> ClewError:
    """The error about several sets in one folder or repository, each with its pattern below it."""
    place = name.partition("@")[0].rstrip("/")
    return ClewError(
        f"{name} holds {len(patterns)} sets of transcoders ({some_of(patterns)}); add the pattern of one, as "
        f"in {place}/{patterns[0]}."
    )


def only(names: Iterable[str]) -> str:
    """The name that all layers agree on; "" for none or several."""
    different = set(names) - {""}
    return different.pop() if len(different) == 1 else ""
