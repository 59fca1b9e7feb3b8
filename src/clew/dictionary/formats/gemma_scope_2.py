"""Gemma Scope 2's transcoders: one params.safetensors per layer.

w_enc `[d_model, feature]`, b_enc, b_dec, threshold, and `affine_skip_connection`, applied as `x @ M`. A
per-layer one has w_dec `[feature, d_model]`. A cross-layer one has `[feature, n_layers, d_model]` in
`params_layer_N.safetensors`; its entry j writes to layer j, and entries below N are unused. Features read the
MLP's input and write to the stream.

"Gemma Scope 2", McDougall et al. 2025, https://deepmind.google/models/gemma/gemma-scope
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.hook_names import layer_of_hook
from clew.dictionary.formats.layer_arrays import ArrayNames, read_layer
from clew.dictionary.formats.transcoder_files import (
    FileSettings,
    Format,
    TranscoderFiles,
    only,
    require_all,
    several_sets,
)
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import LayerTranscoder, TranscoderSet
from clew.errors import ClewError
from clew.progress import OnNote

NAMES = ArrayNames(
    encoder="w_enc",
    decoder="w_dec",
    skip="affine_skip_connection",
    encoder_by_column=True,
    skip_by_column=True,
    rectified=True,
)
READ_HOOK, WRITE_HOOK = "hf_hook_point_in", "hf_hook_point_out"


def choose_files(files: Sequence[str], name: str, _: OnNote) -> list[str]:
    """Raises `ClewError` for several sets side by side (widths, sparsities, with or without skip)."""
    params = [file for file in files if re.search(r"(^|/)params(_layer_\d+)?\.safetensors$", file)]
    sets = sorted({re.sub(r"layer_\d+", "layer_*", file).rpartition("/")[0] for file in params})
    if len(sets) > 1:
        raise several_sets(name, sets)
    return params


def holds(file: ArrayFile) -> bool:
    return "w_enc" in file and "w_dec" in file


def load(files: TranscoderFiles) -> TranscoderSet:
    """Raises `ClewError` for per-layer and cross-layer files together, and for a CLT with layers missing."""
    settings = {name: _settings(files, name) for name in files.weights}
    per_layer = {name: each for name, each in settings.items() if not _is_clt(files, name)}
    names = files.layers({name: layer_of_hook(each.text(READ_HOOK)) for name, each in per_layer.items()})
    crosses_layers = len(per_layer) < len(settings)
    if crosses_layers:
        files.require_folder()
        require_all(files, list(names), "parts of a cross-layer transcoder")
    n_layers = len(names) if crosses_layers else None
    layers = {layer: _layer(files, layer, name, n_layers) for layer, name in names.items()}
    points = files.points(settings.values(), READ_HOOK, WRITE_HOOK, ReadPoint.MLP_INPUT, WritePoint.STREAM)
    return TranscoderSet(
        layers,
        *points,
        f"{FORMAT.name} {'CLT' if crosses_layers else 'PLT'}",
        trained_on=files.model_name or only(each.text("model_name") for each in settings.values()),
    )


def _settings(files: TranscoderFiles, name: str) -> FileSettings:
    """The config.json beside a file, which may be missing."""
    settings = files.settings_beside(name, "config.json", FileSettings(Path("config.json"), {}))
    if (architecture := settings.get("architecture", "jump_relu")) != "jump_relu":
        raise ClewError(
            f"{settings.path} says architecture: {architecture}, but clew supports only jump_relu in this "
            "format; name transcoders with this architecture."
        )
    return settings


def _is_clt(files: TranscoderFiles, name: str) -> bool:
    entry = files.open(name).entries.get(NAMES.decoder)
    return entry is not None and len(entry.shape) == 3


def _layer(files: TranscoderFiles, layer: int, name: str, n_layers: int | None) -> LayerTranscoder:
    file = files.open(name)
    file.weights(NAMES.threshold, file.length(NAMES.encoder_bias))
    transcoder = read_layer(file, NAMES, n_written=n_layers)
    if n_layers is None:
        return transcoder
    return replace(transcoder, decoder=replace(transcoder.decoder, first=layer))


FORMAT = Format(
    "Gemma Scope 2", "layer_N_.../params.safetensors or params_layer_N.safetensors", choose_files, holds, load
)
