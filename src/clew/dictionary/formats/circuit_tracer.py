"""circuit-tracer's per-layer transcoders: config.yaml and layer_N.safetensors.

W_enc and W_dec `[feature, d_model]`, b_enc, b_dec, `activation_function.threshold` for JumpReLU, and
`W_skip`, applied as `x @ W_skip.T`. circuit-tracer's TopK keeps negative values among the k largest and
clew's does not; the two differ only if fewer than k features are positive.

Files named `layer_N.int4.safetensors` hold packed integers, and thresholds as `threshold`. They need no
config.yaml if features read at `mlp.hook_in` and write at `mlp.hook_out`.

The format: https://github.com/decoderesearch/circuit-tracer
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from clew.dictionary.activation import Activation, JumpReLU, ReLU, TopK
from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.config_keys import shown
from clew.dictionary.formats.config_yaml import check_layers
from clew.dictionary.formats.known_arrays import refuse_unread
from clew.dictionary.formats.layer_arrays import ArrayNames, read_layer
from clew.dictionary.formats.quantised_arrays import bits_in, is_packed, row_format, scale_of
from clew.dictionary.formats.transcoder_files import Format, TranscoderFiles, require_all
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import LayerTranscoder, TranscoderSet
from clew.errors import ClewError
from clew.options import option_name
from clew.progress import OnNote

NAMES = ArrayNames(threshold="activation_function.threshold")
PACKED_NAMES = ArrayNames()
"""The names in `layer_N.int4.safetensors`."""


def choose_files(files: Sequence[str], _: str, __: OnNote) -> list[str]:
    return [name for name in files if re.fullmatch(r"layer_\d+(\.int\d)?\.safetensors", name)]


def holds(file: ArrayFile) -> bool:
    return "W_enc" in file and "W_dec" in file


def load(files: TranscoderFiles) -> TranscoderSet:
    """Raises `ClewError` for gaps between layers, since this format numbers all of a model's."""
    by_layer = files.layers()
    if files.whole and not files.numbers and not (files.config and files.config.layers):
        require_all(files, list(by_layer), "transcoders")
    layers = {}
    for layer, name in by_layer.items():
        file = files.open(name)
        names = PACKED_NAMES if bits_in(name) else NAMES
        activation = stated_activation(files, layer, file, names.threshold)
        rows = row_format(files.config, file.path)
        layers[layer] = read_layer(file, names, activation=activation, rows=rows)
        refuse_unread(file, read_arrays(file, names.all, activation))
    return configured_set(files, layers, FORMAT.name)


def read_arrays(file: ArrayFile, names: Sequence[str], activation: Activation | None) -> list[str]:
    """The arrays that are read of a file, where it has them: these, their scales, and a TopK's k."""
    scales = [scale_of(name) for name in names if is_packed(file, name)]
    return [*names, *scales, *(["k"] if isinstance(activation, TopK) else [])]


def configured_set(
    files: TranscoderFiles, layers: Mapping[int, LayerTranscoder], format: str
) -> TranscoderSet:
    """A set whose points and facts config.yaml states."""
    _refuse_lacking_arrays(files, layers)
    config = files.config
    if config:
        check_layers(config, sorted(layers), whole=files.whole)
    by_name = config is None and all(map(bits_in, files.weights))
    return TranscoderSet(
        layers,
        files.read_point(default=ReadPoint.MLP_INPUT if by_name else None),
        files.write_point(default=WritePoint.STREAM if by_name else None),
        format,
        trained_on=files.model_name,
        sink=config.sink if config else None,
        trained_with_bos=config.trained_with_bos if config else None,
        hooks=(config.read_hook, config.write_hook) if config else (),
    )


def _refuse_lacking_arrays(files: TranscoderFiles, layers: Mapping[int, LayerTranscoder]) -> None:
    """Raise `ClewError` for layers without thresholds or a skip connection among layers that have them."""
    for array, having in (
        ("thresholds", {layer for layer, part in layers.items() if isinstance(part.activation, JumpReLU)}),
        ("a skip connection", {layer for layer, part in layers.items() if part.skip}),
    ):
        if having and (lacking := sorted(set(layers) - having)):
            raise ClewError(
                f"{files.name} holds {array} for layer {min(having)}, but not for layer {lacking[0]}; fetch "
                "the set again."
            )


def stated_activation(
    files: TranscoderFiles, layer: int, file: ArrayFile, threshold: str
) -> Activation | None:
    """The activation of config.yaml or of the caller; None leaves it to the arrays.

    Raises `ClewError` for an unsupported activation, a TopK without k, and an activation that the arrays
    contradict.
    """
    config = files.config
    where = config.path if config else file.path
    stated = config.activation if config else ""
    if not stated and files.overrides.k and threshold not in file:
        stated = "topk"
    if stated not in ("", "relu", "topk", "jump_relu", "jumprelu"):
        raise ClewError(f"{where} says activation: {shown(stated)}; clew supports relu, topk and jump_relu.")
    if stated and stated.startswith("jump") != (threshold in file):
        has = "has" if threshold in file else "lacks"
        raise ClewError(
            f"{where} says activation: {stated}, but {file.path} {has} thresholds ({threshold}); fetch both "
            "from the same set."
        )
    if stated == "relu":
        return ReLU()
    return TopK(_k(files, layer, file)) if stated == "topk" else None


def _k(files: TranscoderFiles, layer: int, file: ArrayFile) -> int:
    """The number of features that a layer keeps: the caller's, config.yaml's, or the file's own."""
    config = files.config
    if files.overrides.k:
        if config and config.k and config.k != files.overrides.k:
            files.on_remark(
                f"{config.path} says k: {config.k}; {files.overrides.k} features of a layer are active "
                f"together instead, as {option_name('k')} says."
            )
        return files.overrides.k
    if config and config.k_by_layer:
        numbers = config.layers or range(len(config.k_by_layer))
        by_layer = dict(zip(numbers, config.k_by_layer, strict=False))
        if layer in by_layer:
            return by_layer[layer]
    held = file.integer("k") if "k" in file else 0
    if config and config.k:
        if held not in (0, config.k):
            raise ClewError(
                f"{config.path} says k: {config.k}, but {file.path} holds k = {held}; fetch both from the "
                f"same set, or pass the right one with {option_name('k')}."
            )
        return config.k
    if held > 0:
        return held
    raise ClewError(
        f"{config.path if config else files.name} says activation: topk without k; pass the number of "
        f"active features with {option_name('k')}. The authors' page says it."
    )


FORMAT = Format("circuit-tracer PLT", "config.yaml, layer_N.safetensors", choose_files, holds, load)
