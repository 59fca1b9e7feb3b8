"""The files of one set of transcoders, and what a weight format does with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from clew.dictionary.formats.array_file import SUFFIXES, ArrayFile, open_arrays
from clew.dictionary.formats.config_yaml import SetConfig
from clew.dictionary.formats.hook_names import read_point_of, write_point_of
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError

Note = Callable[[str], None]
PARENTS = 4
"""How much of a path is searched for a layer where the folder that was named is a single layer's."""


@dataclass(frozen=True)
class Overrides:
    """What the caller decided, whatever the files say."""

    read_point: ReadPoint | None = None
    write_point: WritePoint | None = None
    k: int | None = None


@dataclass(frozen=True)
class TranscoderFiles:
    """Files that are on disk, by their names inside the folder or repository that was named."""

    name: str
    """As the user wrote it."""
    files: Mapping[str, Path]
    """Weights and configurations; more may be here than belongs to the set."""
    config: SetConfig | None = None
    overrides: Overrides = field(default_factory=Overrides)
    numbers: Mapping[str, int] | None = None
    """The layer of each weight file, where config.yaml lists them in order."""
    whole: bool = True
    """Whether a folder was named and not one of its files."""

    @property
    def weights(self) -> list[str]:
        return sorted(name for name in self.files if name.endswith(SUFFIXES))

    def open(self, name: str) -> ArrayFile:
        return open_arrays(self.files[name])

    def layers(self, told: Mapping[str, int] | None = None) -> dict[int, str]:
        """Weight files by layer: config.yaml's order, what the files themselves told, or `layer_N` in a name.

        Raises ClewError where nothing tells the layer, two things tell different ones, or two files the same.
        """
        found: dict[int, str] = {}
        for name in self.weights:
            layer = self._layer(name, (told or {}).get(name))
            if layer in found:
                raise ClewError(
                    f"{self.name} holds layer {layer} twice, as {found[layer]} and {name}: name one of them."
                )
            found[layer] = name
        return dict(sorted(found.items()))

    def _layer(self, name: str, told: int | None) -> int:
        path = self.files[name]
        listed, by_name = self.numbers[name] if self.numbers else None, layer_in(name)
        named = [layer for layer in (listed, told, by_name) if layer is not None]
        if not named and (above := layer_in("/".join(path.parts[-PARENTS:]))) is not None:
            return above
        if not named:
            raise ClewError(
                f"{path} does not tell its layer: keep it as layer_N{path.suffix} or in a "
                "folder named layer_N."
            )
        if len(set(named)) > 1:
            by_what = "its place in config.yaml" if listed is not None else "its settings"
            raise ClewError(
                f"{name} is layer {by_name} by its name, but layer {named[0]} by {by_what}: one of the "
                "two is wrong."
            )
        return named[0]

    def settings(self, name: str) -> dict[str, Any]:
        """A JSON file of settings. Raises ClewError where it is missing or damaged."""
        if name not in self.files:
            raise ClewError(f"{self.name} has no {name}, which says how its weights are meant: fetch it too.")
        path = self.files[name]
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise ClewError(f"{path} is not readable JSON: correct it or fetch it again.") from error
        if not isinstance(content, dict):
            raise ClewError(f"{path} holds no settings: it should be a JSON object.")
        return content

    def read_point(self, hook: str = "", *, where: str = "", default: ReadPoint | None = None) -> ReadPoint:
        """The caller's word, then config.yaml's, then what the file itself names, then the format's."""
        if self.overrides.read_point:
            return self.overrides.read_point
        if self.config and self.config.read_hook:
            return read_point_of(self.config.read_hook, str(self.config.path))
        if hook:
            return read_point_of(hook, where)
        if default:
            return default
        names = ", ".join(point.option for point in ReadPoint)
        raise ClewError(
            f"{self.name} does not say where its features read: give --read-point (read_point in Python; "
            f"{names})."
        )

    def write_point(
        self, hook: str = "", *, where: str = "", default: WritePoint | None = None
    ) -> WritePoint:
        """As `read_point`."""
        if self.overrides.write_point:
            return self.overrides.write_point
        if self.config and self.config.write_point:
            return self.config.write_point
        if self.config and self.config.write_hook:
            return write_point_of(self.config.write_hook, str(self.config.path))
        if hook:
            return write_point_of(hook, where)
        if default:
            return default
        names = ", ".join(point.option for point in WritePoint)
        raise ClewError(
            f"{self.name} does not say where its features write: give --write-point (write_point in Python; "
            f"{names})."
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
    """Which files make it up, for people."""
    choose: Callable[[Sequence[str], str, Note], list[str]]
    """Which weight files of a listing (second: what the listing is called) it would read; told by names
    alone because nothing is fetched yet. Empty for a listing of another format. Raises ClewError where the
    user must decide."""
    holds: Callable[[ArrayFile], bool]
    """Whether a file is of this format, told by its arrays."""
    load: Callable[[TranscoderFiles], TranscoderSet]
    """Reads the set. Raises ClewError for whatever is not as the format has it."""


def layer_in(name: str) -> int | None:
    """The last `layer_3` or `layer.3` or `W_enc_3` in a path."""
    found = re.findall(r"(?<![A-Za-z])(?:layer[_.-]?|W_enc_|W_dec_)(\d+)", PurePosixPath(name).as_posix())
    return int(found[-1]) if found else None


def require_all(source: TranscoderFiles, layers: Sequence[int], what: str) -> None:
    """Raises ClewError where layers are missing below the last one of a format that needs them all."""
    missing = sorted(set(range(max(layers) + 1)) - set(layers))
    if missing:
        listed = ", ".join(map(str, missing))
        raise ClewError(
            f"{source.name} has {what} up to layer {max(layers)} but not for layer {listed}: the set is "
            "incomplete; fetch what is missing."
        )
