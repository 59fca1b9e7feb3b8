"""Per-layer transcoders as circuit-tracer keeps them: config.yaml with layer_N.safetensors.

W_enc and W_dec `[feature, d_model]`, b_enc, b_dec, `activation_function.threshold` where the activation
is JumpReLU, and `W_skip`, applied as `x @ W_skip.T`. circuit-tracer's TopK keeps negative values
among the k largest; clew's does not, which differs only where fewer than k features are positive.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from clew.dictionary.activation import Activation, ReLU, TopK
from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.layer_arrays import ArrayNames, check_widths, read_layer
from clew.dictionary.formats.transcoder_files import Format, Note, TranscoderFiles, require_all
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError

NAMES = ArrayNames(threshold="activation_function.threshold")


def choose(files: Sequence[str], _: str, __: Note) -> list[str]:
    return [name for name in files if re.fullmatch(r"layer_\d+\.safetensors", name)]


def holds(file: ArrayFile) -> bool:
    return "W_enc" in file and "W_dec" in file


def load(source: TranscoderFiles) -> TranscoderSet:
    """Raises ClewError for gaps between layers, since this format numbers all of a model's."""
    files = source.layers()
    if source.whole and not source.numbers and not (source.config and source.config.layers):
        require_all(source, list(files), "transcoders")
    layers = {}
    for layer, name in files.items():
        file = source.open(name)
        layers[layer] = read_layer(
            file, NAMES, activation=stated_activation(source, layer, file, NAMES.threshold)
        )
    check_widths(source, layers, files)
    return TranscoderSet(
        layers, source.read_point(), source.write_point(), FORMAT.name, trained_on=source.model_name
    )


def stated_activation(
    source: TranscoderFiles, layer: int, file: ArrayFile, threshold: str
) -> Activation | None:
    """What config.yaml or the caller says; None leaves it to the arrays.

    Raises ClewError for an activation that is not known, a TopK without k, and a statement that the arrays
    contradict.
    """
    config = source.config
    stated = (config.activation if config else "") or (
        "topk" if source.overrides.k and threshold not in file else ""
    )
    where = config.path if config else file.path
    if stated not in ("", "relu", "topk", "jump_relu", "jumprelu"):
        raise ClewError(f"{where} says activation: {stated}, but clew knows relu, topk and jump_relu.")
    if stated in ("relu", "topk") and threshold in file:
        raise ClewError(
            f"{where} says activation: {stated}, but {file.path} has thresholds ({threshold}): one "
            "of the two is from another set."
        )
    if stated.startswith("jump") and threshold not in file:
        raise ClewError(
            f"{where} says activation: {stated}, but {file.path} has no thresholds ({threshold})."
        )
    if stated == "relu":
        return ReLU()
    if stated == "topk":
        return TopK(_k(source, layer, file))
    return None


def _k(source: TranscoderFiles, layer: int, file: ArrayFile) -> int:
    if source.overrides.k:
        return source.overrides.k
    if source.config and source.config.k_by_layer:
        numbers = source.config.layers or range(len(source.config.k_by_layer))
        by_layer = dict(zip(numbers, source.config.k_by_layer, strict=False))
        if layer in by_layer:
            return by_layer[layer]
    if source.config and source.config.k:
        return source.config.k
    if "k" in file and (k := file.integer("k")) > 0:
        return k
    where = source.config.path if source.config else source.name
    raise ClewError(
        f"{where} says activation: topk but not how many: give --k (k in Python), which the authors' page "
        "tells."
    )


FORMAT = Format("circuit-tracer PLT", "config.yaml, layer_N.safetensors", choose, holds, load)
