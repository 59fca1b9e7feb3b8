"""The weight formats that clew reads; file names, and then arrays, decide which one applies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clew.dictionary.file_listing import some_of
from clew.dictionary.formats import (
    circuit_tracer,
    circuit_tracer_clt,
    gemma_scope,
    gemma_scope_2,
    saelens,
    sparsify,
)
from clew.dictionary.formats.array_file import SUFFIXES, check_finite
from clew.dictionary.formats.content import weights_key
from clew.dictionary.formats.known_arrays import is_harmless
from clew.dictionary.formats.transcoder_files import Format, TranscoderFiles
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError
from clew.file_stamps import stamps_of
from clew.progress import OnNote

FORMATS: tuple[Format, ...] = (
    circuit_tracer_clt.FORMAT,
    gemma_scope_2.FORMAT,
    sparsify.FORMAT,
    gemma_scope.FORMAT,
    saelens.FORMAT,
    circuit_tracer.FORMAT,
)
"""All formats, in the order of the checks: the arrays of the last one have the most common names."""


def choose_weights(files: Sequence[str], name: str, note: OnNote) -> list[str]:
    """The weight files of a listing to read; all of them if no format recognises its layout.

    Raises `ClewError` for several sets side by side, of which the user must choose one.
    """
    by_format = {
        format.name: chosen for format in FORMATS if (chosen := format.choose_files(files, name, note))
    }
    if len({tuple(sorted(chosen)) for chosen in by_format.values()}) > 1:
        examples = ", ".join(f"{chosen[0]} is {format}" for format, chosen in by_format.items())
        raise ClewError(
            f"{name} holds transcoders in several formats ({examples}); name a folder or a file of one."
        )
    for chosen in by_format.values():
        return chosen
    return [file for file in files if file.endswith(SUFFIXES)]


def load(files: TranscoderFiles, note: OnNote) -> TranscoderSet:
    """Read a set whose files are on disk.

    Raises `ClewError` for arrays of no format, for files that do not belong together, and for numbers that
    are not finite.
    """
    settings = {name: path for name, path in files.paths.items() if not name.endswith(SUFFIXES)}
    stamps = stamps_of(settings.values())
    groups: dict[str, tuple[Format, list[str]]] = {}
    for name in files.weights:
        format = _format_of(files, name)
        groups.setdefault(format.name, (format, []))[1].append(name)
    if len(groups) > 1 and files.numbers is None:
        examples = ", ".join(f"{names[0]} is {format.name}" for format, names in groups.values())
        raise ClewError(f"{files.name} mixes weight formats ({examples}); name a folder with one of them.")
    parts = [format.load(_some_weights(files, names)) for format, names in groups.values()]
    layers = {layer: transcoder for part in parts for layer, transcoder in part.layers.items()}
    names = " and ".join(part.format for part in parts)
    transcoders = replace(parts[0], layers=dict(sorted(layers.items())), format=names)
    _check_kind(files, transcoders)
    opened = {name: files.open(name) for name in files.weights}
    for file in opened.values():
        check_finite(file, note, passed_over=is_harmless)
    stamps += tuple((file.path.absolute(), file.stamp) for file in opened.values())
    return replace(transcoders, weights_key=weights_key(opened, settings, note), stamps=stamps)


def layouts() -> str:
    """All formats with their files, for people."""
    return "; ".join(f"{format.name} ({format.layout})" for format in FORMATS)


def _format_of(files: TranscoderFiles, name: str) -> Format:
    file = files.open(name)
    for format in FORMATS:
        if format.holds(file):
            return format
    raise ClewError(
        f"{file.path} holds no transcoder that clew can read (its arrays are "
        f"{some_of(sorted(file.entries), 6) or 'none'}); name weights in one of the formats {layouts()}."
    )


def _some_weights(files: TranscoderFiles, names: Sequence[str]) -> TranscoderFiles:
    others = {name: path for name, path in files.paths.items() if not name.endswith(SUFFIXES)}
    return replace(files, paths=others | {name: files.paths[name] for name in names})


def _check_kind(files: TranscoderFiles, transcoders: TranscoderSet) -> None:
    """Raise `ClewError` for layers of several widths, and for a `model_kind` that the arrays contradict."""
    by_width = {part.d_model: layer for layer, part in sorted(transcoders.layers.items(), reverse=True)}
    if len(by_width) > 1:
        widths = " and ".join(f"layer {layer} has d_model {width}" for width, layer in by_width.items())
        raise ClewError(f"{files.name} mixes models: {widths}; name the layers of one model.")
    if files.config is None or not files.config.kind or len(transcoders.layers) == 1:
        return
    if transcoders.crosses_layers != (files.config.kind == "cross_layer_transcoder"):
        kind = "a cross-layer transcoder" if transcoders.crosses_layers else "per-layer transcoders"
        raise ClewError(
            f"{files.config.path} says model_kind: {files.config.kind}, but the arrays are those of {kind}; "
            "correct the file."
        )
