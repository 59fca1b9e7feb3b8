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
from clew.dictionary.formats.config_keys import COUNT, FLAG, WORD, ConfigKeys, shown
from clew.dictionary.formats.file_settings import FileSettings
from clew.dictionary.formats.known_arrays import refuse_unread
from clew.dictionary.formats.layer_arrays import ArrayNames, read_layer
from clew.dictionary.formats.transcoder_files import (
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
TYPES = ("transcoder", "clt", "cross_layer_transcoder")
KEYS = ConfigKeys(
    used={
        READ_HOOK: WORD,
        WRITE_HOOK: WORD,
        "architecture": WORD,
        "type": WORD,
        "width": COUNT,
        "affine_connection": FLAG,
        "model_name": WORD,
    },
    harmless={"measured after training": "l0"},
)


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
    crosses_layers = any(_is_clt(files, name) for name in settings)
    if crosses_layers and not all(_is_clt(files, name) for name in settings):
        raise ClewError(f"{files.name} mixes per-layer and cross-layer files; name the files of one of them.")
    for each in () if crosses_layers else settings.values():
        if each.get("type", TYPES[0]) != TYPES[0]:
            raise ClewError(
                f"{each.path} says type: {each.get('type')}, but its arrays are those of a per-layer "
                "transcoder; fetch both from the same set."
            )
    names = files.layers({name: each.layer((READ_HOOK,)) for name, each in settings.items()})
    for each in settings.values():
        each.layer((READ_HOOK, WRITE_HOOK))
    if crosses_layers:
        files.require_folder()
        require_all(files, list(names), "parts of a cross-layer transcoder")
    n_layers = len(names) if crosses_layers else None
    layers = {
        layer: _layer(files.open(name), settings[name], layer, n_layers) for layer, name in names.items()
    }
    hooks = (READ_HOOK,), (WRITE_HOOK,)
    points = files.points(settings.values(), *hooks, ReadPoint.MLP_INPUT, WritePoint.STREAM)
    return TranscoderSet(
        layers,
        *points,
        f"{FORMAT.name} {'CLT' if crosses_layers else 'PLT'}",
        trained_on=files.model_name or only(each.text("model_name") for each in settings.values()),
        hooks=tuple(each.text(*keys) for each in settings.values() for keys in hooks),
    )


def _settings(files: TranscoderFiles, name: str) -> FileSettings:
    """The config.json beside a file, which may be missing."""
    settings = files.settings_beside(name, "config.json", FileSettings(Path("config.json"), {}))
    settings.check(KEYS)
    if (architecture := settings.get("architecture", "jump_relu")) != "jump_relu":
        raise ClewError(
            f"{settings.path} says architecture: {shown(architecture)}, but clew supports only jump_relu in "
            "this format; name transcoders with this architecture."
        )
    if (kind := settings.get("type", "transcoder")) not in TYPES:
        reason = "an autoencoder, which reconstructs what it reads" if kind == "sae" else "no transcoder"
        raise ClewError(
            f"{settings.path} says type: {shown(kind)}, which is {reason} and replaces no MLP; name "
            "transcoders."
        )
    return settings


def _is_clt(files: TranscoderFiles, name: str) -> bool:
    entry = files.open(name).entries.get(NAMES.decoder)
    return entry is not None and len(entry.shape) == 3


def _layer(file: ArrayFile, settings: FileSettings, layer: int, n_layers: int | None) -> LayerTranscoder:
    n_features, d_model = file.length(NAMES.encoder_bias), file.length(NAMES.decoder_bias)
    file.weights(NAMES.threshold, n_features)
    settings.check_sizes(file, n_features, d_model, {"width": n_features})
    affine = settings.get("affine_connection")
    if affine is not None and affine != (NAMES.skip in file):
        raise ClewError(
            f"{settings.path} says affine_connection: {affine}, but {file.path} "
            f"{'lacks' if affine else 'holds'} {NAMES.skip}; fetch both from the same set."
        )
    transcoder = read_layer(file, NAMES, n_written=n_layers)
    refuse_unread(file, NAMES.all)
    if n_layers is None:
        return transcoder
    return replace(transcoder, decoder=replace(transcoder.decoder, first=layer))


FORMAT = Format(
    "Gemma Scope 2", "layer_N_.../params.safetensors or params_layer_N.safetensors", choose_files, holds, load
)
