"""A writer of circuit-tracer's folders, which circuit-tracer, Neuronpedia's tools and clew read.

Per-layer transcoders become layer_N.safetensors, cross-layer ones W_enc_N and W_dec_N.safetensors
(`clew.dictionary.formats.circuit_tracer` and `circuit_tracer_clt` describe the arrays). Settings that the
format lacks go into keys of config.yaml that begin with `clew_`; other tools ignore these. Packed integers
(`clew.dictionary.formats.quantised_arrays`) are read by clew alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from clew.dictionary.activation import Activation, BatchTopK, JumpReLU, ReLU, TopK
from clew.dictionary.formats import config_yaml
from clew.dictionary.formats.array_writer import (
    WrittenArray,
    dtype_of,
    rows_per_piece,
    whole_array,
    write_safetensors,
)
from clew.dictionary.formats.quantised_arrays import RowFormat, packed_arrays
from clew.dictionary.quantised_rows import GROUP
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder, TranscoderSet
from clew.dictionary.weights import HeldWeights, Weights, transpose
from clew.errors import ClewError
from clew.files import check_new_folder, new_folder

READ_HOOKS = {
    ReadPoint.RESIDUAL: "hook_resid_mid",
    ReadPoint.NORMALIZED: "ln2.hook_normalized",
    ReadPoint.MLP_INPUT: "mlp.hook_in",
}
WRITE_HOOKS = {WritePoint.STREAM: "hook_mlp_out", WritePoint.MLP_OUTPUT: "mlp.hook_out"}
"""Hooks by write point. The second is only the nearest one, so `clew_write_point` says the point too."""


def save_transcoders(
    transcoder_set: TranscoderSet,
    folder: str | Path,
    model_name: str,
    *,
    bits: int | None = None,
    group: int = GROUP,
) -> None:
    """Write a folder that `load_transcoders` reads back to the same arrays, but for rounding with `bits`.

    Decoders are written in pieces, so a set may be larger than memory. The folder appears only when all of it
    is written. A BatchTopK's threshold becomes JumpReLU thresholds, which keep the same features.

    Args:
        transcoder_set: The transcoders to save.
        folder: A new or empty folder.
        model_name: The model that they were trained on, for config.yaml; may be empty.
        bits: Bits of a weight, 2 to 8, to save matrices as packed integers; None keeps their element types.
        group: Neighbours in a row that share a scale, with `bits`.

    Raises:
        ClewError: `bits` or `group` is out of bounds, the folder is not empty, its activations cannot be
            mixed in one folder, layers of a cross-layer set are missing, a weight is too large for
            its bits, or the disk is full or cannot be written.
    """
    rows = None if bits is None else RowFormat(bits, group)
    target = check_new_folder(folder)
    settings = _settings(transcoder_set, model_name)
    if rows is not None:
        settings |= {config_yaml.BITS: rows.bits, config_yaml.GROUP: rows.group}
    with new_folder(target) as partial:
        _write_layers(transcoder_set, partial, rows)
        (partial / config_yaml.FILE).write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def _settings(transcoder_set: TranscoderSet, model_name: str) -> dict[str, Any]:
    numbers = sorted(transcoder_set.layers)
    has_gaps = numbers != list(range(len(numbers)))
    crosses_layers = transcoder_set.crosses_layers
    if crosses_layers and has_gaps:
        raise ClewError(
            f"A cross-layer transcoder with only the layers {', '.join(map(str, numbers))} cannot be saved: "
            "the format needs every layer from 0 on; load all of them."
        )
    settings: dict[str, Any] = {
        "model_name": model_name,
        "model_kind": "cross_layer_transcoder" if crosses_layers else "transcoder_set",
        "feature_input_hook": READ_HOOKS[transcoder_set.read_point],
        "feature_output_hook": WRITE_HOOKS[transcoder_set.write_point],
    }
    settings |= _activation_settings([transcoder_set.layers[number].activation for number in numbers])
    if transcoder_set.write_point is WritePoint.MLP_OUTPUT:
        settings[config_yaml.WRITE_POINT] = transcoder_set.write_point.name.lower()
    if has_gaps:
        settings[config_yaml.LAYERS] = numbers
    if transcoder_set.sink is not None:
        settings[config_yaml.SINK] = transcoder_set.sink
    if transcoder_set.trained_with_bos is not None:
        settings[config_yaml.WITH_BOS] = transcoder_set.trained_with_bos
    return settings


def _activation_settings(activations: list[Activation]) -> dict[str, Any]:
    """`activation` and `k`; nothing for JumpReLU, whose thresholds are enough."""
    if all(isinstance(activation, ReLU) for activation in activations):
        return {"activation": "relu"}
    ks = [activation.k for activation in activations if isinstance(activation, TopK)]
    if not ks:
        return {}
    if len(ks) < len(activations):
        raise ClewError(
            "A folder cannot mix TopK with other activations; save the layers of each in a folder of its own."
        )
    if len(set(ks)) == 1:
        return {"activation": "topk", "k": ks[0]}
    # Without k, other tools stop instead of guessing.
    return {"activation": "topk", config_yaml.K_BY_LAYER: ks}


def _write_layers(transcoder_set: TranscoderSet, folder: Path, rows: RowFormat | None) -> None:
    n_layers = len(transcoder_set.layers)
    with_skip = any(layer.skip for layer in transcoder_set.layers.values())
    with_threshold = any(
        isinstance(layer.activation, JumpReLU | BatchTopK) for layer in transcoder_set.layers.values()
    )
    for number, layer in transcoder_set.layers.items():
        if with_skip and layer.skip is None:
            layer = replace(layer, skip=HeldWeights(torch.zeros(layer.d_model, layer.d_model)))
        if not transcoder_set.crosses_layers:
            threshold = "activation_function.threshold"
            arrays = _layer_arrays(layer, threshold, layer.skip, with_threshold)
            arrays["W_dec"] = _decoder_array(layer.decoder)
            write_safetensors(folder / f"layer_{number}.safetensors", _packed(arrays, rows))
            continue
        skip = None if layer.skip is None else transpose(layer.skip)
        arrays = _layer_arrays(layer, "threshold", skip, with_threshold)
        named = {f"{name}_{number}": array for name, array in arrays.items()}
        write_safetensors(folder / f"W_enc_{number}.safetensors", _packed(named, rows))
        decoder = {f"W_dec_{number}": _decoder_array(layer.decoder, n_layers - number)}
        write_safetensors(folder / f"W_dec_{number}.safetensors", _packed(decoder, rows))


def _packed(arrays: Mapping[str, WrittenArray], rows: RowFormat | None) -> dict[str, WrittenArray]:
    """Matrices (`W_...`) as packed integers with scales, unless `rows` is None; vectors as they are."""
    written: dict[str, WrittenArray] = {}
    for name, array in arrays.items():
        written |= packed_arrays(name, array, rows if name.startswith("W_") else None)
    return written


def _layer_arrays(
    layer: LayerTranscoder, threshold: str, skip: Weights | None, with_threshold: bool
) -> dict[str, WrittenArray]:
    """All arrays but the decoder; among layers with thresholds, a ReLU gets thresholds of 0."""
    bias = layer.decoder_bias or HeldWeights(torch.zeros(layer.d_model))
    arrays = {"W_enc": layer.encoder, "b_enc": layer.encoder_bias, "b_dec": bias}
    if skip is not None:
        arrays["W_skip"] = skip
    match layer.activation:
        case JumpReLU(threshold=values):
            arrays[threshold] = values
        case BatchTopK(threshold=value):
            arrays[threshold] = HeldWeights(torch.full((layer.n_features,), max(value, 0.0)))
        case ReLU() if with_threshold:
            arrays[threshold] = HeldWeights(torch.zeros(layer.n_features))
    return {name: whole_array(weights) for name, weights in arrays.items()}


def _decoder_array(decoder: Decoder, n_written: int | None = None) -> WrittenArray:
    """`[feature, d_model]`, or `[feature, n_written, d_model]` with zeros for unwritten layers."""
    d_model = decoder.weights.shape[-1]
    targets = range(decoder.n_written)
    shape = (decoder.n_features, d_model) if n_written is None else (decoder.n_features, n_written, d_model)

    def pieces() -> Iterator[Tensor]:
        at_once = rows_per_piece((n_written or 1) * d_model * 4)
        for start in range(0, decoder.n_features, at_once):
            index = torch.arange(start, min(start + at_once, decoder.n_features))
            if n_written is None:
                yield decoder.rows(index, 0)
                continue
            piece = torch.zeros(len(index), n_written, d_model)
            for ahead in targets:
                piece[:, ahead] = decoder.rows(index, ahead)
            yield piece

    return WrittenArray(shape, dtype_of(decoder.weights), pieces)
