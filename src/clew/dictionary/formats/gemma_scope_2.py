"""Gemma Scope 2's transcoders (McDougall et al. 2025): one params.safetensors per layer.

w_enc `[d_model, feature]`, b_enc, b_dec, threshold, and `affine_skip_connection`, applied as `x @ M`.
A per-layer one has w_dec `[feature, d_model]`; a cross-layer one has `[feature, n_layers, d_model]` in
`params_layer_N.safetensors`, of which entry j writes to layer j and those below N are unused.
They read the MLP's input and write what joins the stream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.hook_names import layer_of_hook
from clew.dictionary.formats.layer_arrays import ArrayNames, check_widths, read_layer
from clew.dictionary.formats.transcoder_files import Format, Note, TranscoderFiles, require_all
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import LayerTranscoder, TranscoderSet
from clew.errors import ClewError

NAMES = ArrayNames(
    encoder="w_enc",
    decoder="w_dec",
    skip="affine_skip_connection",
    encoder_by_column=True,
    skip_by_column=True,
    rectified=True,
)
SHOWN = 8


def choose(files: Sequence[str], name: str, _: Note) -> list[str]:
    """Raises ClewError where several sets lie side by side (widths, sparsities, with or without skip)."""
    found = [file for file in files if re.search(r"(^|/)params(_layer_\d+)?\.safetensors$", file)]
    sets = sorted({re.sub(r"layer_\d+", "layer_*", file).rpartition("/")[0] for file in found})
    if len(sets) > 1:
        listed = ", ".join(sets[:SHOWN]) + (", ..." if len(sets) > SHOWN else "")
        raise ClewError(
            f"{name} holds {len(sets)} sets of transcoders ({listed}): choose one by adding its pattern, as "
            f"in {name.partition('@')[0].rstrip('/')}/{sets[0]}."
        )
    return found


def holds(file: ArrayFile) -> bool:
    return "w_enc" in file and "w_dec" in file


def load(source: TranscoderFiles) -> TranscoderSet:
    """Raises ClewError where per-layer and cross-layer files are mixed, and for a CLT with layers missing."""
    settings = {name: _settings(source, name) for name in source.weights}
    told = {
        name: layer
        for name, said in settings.items()
        if (layer := layer_of_hook(str(said.get("hf_hook_point_in")))) is not None
        and not _is_clt(source, name)
    }
    files = source.layers(told)
    crossing = {name for name in files.values() if _is_clt(source, name)}
    if crossing and not source.whole:
        raise ClewError(f"{source.name} is one part of a cross-layer transcoder: name its folder.")
    if crossing:
        require_all(source, list(files), "parts of a cross-layer transcoder")
    n_layers = len(files) if crossing else None
    layers = {layer: _layer(source, layer, name, n_layers) for layer, name in files.items()}
    check_widths(source, layers, files)
    reads, writes = _points(source, files, settings)
    models = {str(said["model_name"]) for said in settings.values() if said.get("model_name")}
    return TranscoderSet(
        layers,
        reads,
        writes,
        f"{FORMAT.name} {'CLT' if crossing else 'PLT'}",
        trained_on=source.model_name or (models.pop() if len(models) == 1 else ""),
    )


def _settings(source: TranscoderFiles, name: str) -> dict[str, Any]:
    folder = name.rpartition("/")[0]
    path = f"{folder}/config.json" if folder else "config.json"
    if path not in source.files:
        return {}
    said = source.settings(path)
    if said.get("architecture", "jump_relu") != "jump_relu":
        raise ClewError(
            f"{source.files[path]} says architecture: {said['architecture']}, but clew knows only "
            "jump_relu here."
        )
    return said


def _is_clt(source: TranscoderFiles, name: str) -> bool:
    entry = source.open(name).entries.get(NAMES.decoder)
    return entry is not None and len(entry.shape) == 3


def _layer(source: TranscoderFiles, layer: int, name: str, n_layers: int | None) -> LayerTranscoder:
    file = source.open(name)
    file.weights(NAMES.threshold, file.length(NAMES.encoder_bias))
    transcoder = read_layer(file, NAMES, n_written=n_layers)
    if n_layers is None:
        return transcoder
    return replace(transcoder, decoder=replace(transcoder.decoder, first=layer))


def _points(
    source: TranscoderFiles, files: Mapping[int, str], settings: Mapping[str, Mapping[str, Any]]
) -> tuple[ReadPoint, WritePoint]:
    """The same for every layer, or ClewError."""
    found = {}
    for name in files.values():
        where = f"The config.json of {name}"
        hooks = [settings[name].get(f"hf_hook_point_{way}") for way in ("in", "out")]
        reads, writes = (hook if isinstance(hook, str) else "" for hook in hooks)
        found[name] = (
            source.read_point(reads, where=where, default=ReadPoint.MLP_INPUT),
            source.write_point(writes, where=where, default=WritePoint.STREAM),
        )
    if len(set(found.values())) > 1:
        raise ClewError(f"{source.name} reads or writes at different points in different layers: split it.")
    return next(iter(found.values()))


FORMAT = Format(
    "Gemma Scope 2",
    "layer_N_.../params.safetensors or params_layer_N.safetensors",
    choose=choose,
    holds=holds,
    load=load,
)
