"""The weight formats that clew reads, and how one is told from another: by file names, then by arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clew.dictionary.formats import (
    circuit_tracer,
    circuit_tracer_clt,
    gemma_scope,
    gemma_scope_2,
    saelens,
    sparsify,
)
from clew.dictionary.formats.array_file import SUFFIXES
from clew.dictionary.formats.nan_check import check_finite
from clew.dictionary.formats.transcoder_files import Format, Note, TranscoderFiles
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError

FORMATS: tuple[Format, ...] = (
    circuit_tracer_clt.FORMAT,
    gemma_scope_2.FORMAT,
    sparsify.FORMAT,
    gemma_scope.FORMAT,
    saelens.FORMAT,
    circuit_tracer.FORMAT,
)
"""In the order in which they are tried: the last one's arrays have the most common names."""


def choose_weights(files: Sequence[str], name: str, note: Note) -> list[str]:
    """Which weight files of a listing to read; all of them where no format's layout is recognised.

    Raises ClewError where several sets lie side by side and the user must choose.
    """
    found = {known.name: chosen for known in FORMATS if (chosen := known.choose(files, name, note))}
    if len({tuple(sorted(chosen)) for chosen in found.values()}) > 1:
        examples = ", ".join(f"{chosen[0]} is of {known}" for known, chosen in found.items())
        raise ClewError(
            f"{name} holds transcoders in several formats ({examples}): name a folder or a file of one of "
            "them."
        )
    for chosen in found.values():
        return chosen
    return [file for file in files if file.endswith(SUFFIXES)]


def load(source: TranscoderFiles, note: Note) -> TranscoderSet:
    """Reads a set whose files are on disk.

    Raises ClewError where no format has these arrays, where files do not belong together, and where a number
    is not finite.
    """
    groups: dict[str, tuple[Format, list[str]]] = {}
    for name in source.weights:
        found = _format_of(source, name)
        groups.setdefault(found.name, (found, []))[1].append(name)
    if len(groups) > 1 and source.numbers is None:
        examples = ", ".join(f"{names[0]} is {found.name}" for found, names in groups.values())
        raise ClewError(f"{source.name} mixes weight formats ({examples}): name a folder with one of them.")
    loaded = _joined([found.load(_part(source, names)) for found, names in groups.values()])
    _check_decoders(source, loaded)
    for name in source.weights:
        check_finite(source.open(name), note)
    return loaded


def layouts() -> str:
    """All formats, for people."""
    return "; ".join(f"{known.name} ({known.layout})" for known in FORMATS)


def _format_of(source: TranscoderFiles, name: str) -> Format:
    file = source.open(name)
    for known in FORMATS:
        if known.holds(file):
            return known
    shown = sorted(file.entries)
    held = ", ".join(shown[:6]) + (", ..." if len(shown) > 6 else "")
    raise ClewError(
        f"{file.path} holds no transcoder that clew knows (its arrays are {held or 'none'}); the known "
        f"formats are {layouts()}."
    )


def _part(source: TranscoderFiles, names: Sequence[str]) -> TranscoderFiles:
    others = {name: path for name, path in source.files.items() if not name.endswith(SUFFIXES)}
    return replace(source, files=others | {name: source.files[name] for name in names})


def _joined(parts: Sequence[TranscoderSet]) -> TranscoderSet:
    """One set from files of several formats, which a config.yaml may list."""
    layers = {layer: transcoder for part in parts for layer, transcoder in part.layers.items()}
    names = " and ".join(part.format for part in parts)
    return replace(parts[0], layers=dict(sorted(layers.items())), format=names)


def _check_decoders(source: TranscoderFiles, loaded: TranscoderSet) -> None:
    """What config.yaml says against what was found, and one width for all."""
    widths = sorted({transcoder.d_model for transcoder in loaded.layers.values()})
    if len(widths) > 1:
        raise ClewError(f"{source.name} mixes models: its layers have d_model {', '.join(map(str, widths))}.")
    n_written = max(transcoder.decoder.n_written for transcoder in loaded.layers.values())
    if source.config is None or not source.config.kind or len(loaded.layers) == 1:
        return
    if (n_written > 1) != (source.config.kind == "cross_layer_transcoder"):
        found = "a cross-layer transcoder's" if n_written > 1 else "per-layer transcoders'"
        raise ClewError(
            f"{source.config.path} says model_kind: {source.config.kind}, but its files are {found}: one "
            "of the two is from another set."
        )
