"""sparsify's transcoders, per-layer and cross-layer.

One folder per hookpoint, such as `layers.3.mlp`, with cfg.json and sae.safetensors: `encoder.weight
[feature, d_model]`, `encoder.bias`, `W_dec [feature, d_model]`, `b_dec`, `W_skip` (applied as
`x @ W_skip.T`). The k largest positive pre-activations are active. A cross-layer coder has `W_decs.j` and
`b_decs.j` for the j-th hookpoint from its own on (`n_targets` of them). The output at a hookpoint is

    out_norm / sqrt(d_model) * (own + earlier / divisor)

where `own` and `earlier` are sums of decodings and biases; inputs are scaled by sqrt(d_model) / in_norm.
Without `normalize_io` both norms are sqrt(d_model), without `divide_cross_layer` the divisor is 1. Until
February 2025 b_dec was taken off the input too, which is folded into the encoder's bias.

The format: https://github.com/EleutherAI/sparsify (per-layer), https://github.com/EleutherAI/clt-training
(cross-layer)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import torch

from clew.dictionary.activation import TopK
from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.config_keys import shown
from clew.dictionary.formats.file_settings import FileSettings
from clew.dictionary.formats.folding import scaled, taken_off_input
from clew.dictionary.formats.known_arrays import refuse_unread
from clew.dictionary.formats.sparsify_keys import (
    KEYS,
    RUN_KEYS,
    check_layers_of_run,
    is_old_transcoder,
)
from clew.dictionary.formats.transcoder_files import Format, TranscoderFiles
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder, TranscoderSet
from clew.dictionary.weights import HeldWeights, StackedWeights, Weights
from clew.errors import ClewError
from clew.options import option_name
from clew.progress import OnNote

HOOKPOINT = re.compile(r"(?:[\w.]+\.)?(?:layers|h|blocks)\.(\d+)\.(?:mlp|feed_forward)")
BEFORE_NORM = ("post_attention_layernorm", "pre_feedforward_layernorm", "ln_2")
"""Modules whose input is the raw stream in front of the MLP."""


def choose_files(files: Sequence[str], _: str, __: OnNote) -> list[str]:
    return [file for file in files if file.rpartition("/")[2] == "sae.safetensors"]


def holds(file: ArrayFile) -> bool:
    return "encoder.weight" in file


def load(files: TranscoderFiles) -> TranscoderSet:
    """Raises `ClewError` for autoencoders, for hookpoints other than MLPs, and for settings that cannot be
    represented exactly."""
    names = files.layers({name: _hookpoint_layer(files, name) for name in files.weights})
    run = _run_settings(files)
    if run:
        check_layers_of_run(run, list(names))
    coders = {layer: open_coder(files, name, run) for layer, name in names.items()}
    layers = {layer: _layer(coder, layer, coders) for layer, coder in coders.items()}
    crosses_layers = any(coder.n_targets > 1 for coder in coders.values())
    return TranscoderSet(
        layers,
        files.read_point(default=_read_point(files, run)),
        files.write_point(default=WritePoint.MLP_OUTPUT),
        f"{FORMAT.name} {'CLT' if crosses_layers else 'PLT'}",
        trained_on=_trained_on(run) if run else "",
    )


def _trained_on(run: FileSettings) -> str:
    """The model of a run, with its revision behind an @."""
    model, revision = run.text("model"), run.text("revision")
    return f"{model}@{revision}" if model and revision else model


@dataclass(frozen=True)
class SparseCoder:
    """One hookpoint's file and settings."""

    file: ArrayFile
    settings: FileSettings
    n_features: int
    d_model: int
    takes_bias_off: bool
    """True for a coder of before February 2025."""

    @property
    def n_targets(self) -> int:
        """The number of hookpoints that it writes to, with its own."""
        return max(1, self.settings.get("n_targets", 0))

    @property
    def input_scale(self) -> float:
        return sqrt(self.d_model) / self._norm("in_norm")

    @property
    def output_scale(self) -> float:
        return self._norm("out_norm") / sqrt(self.d_model)

    def array(self, kind: str, target: int, *shape: int) -> Weights:
        """`W_dec`, or `W_decs.j` for several targets."""
        return self.file.weights(self.array_name(kind, target), *shape)

    def array_name(self, kind: str, target: int) -> str:
        several = f"{kind}s.{target}"
        return several if several in self.file or target else kind

    @property
    def used(self) -> list[str]:
        """The names of all arrays that are read."""
        names = ["encoder.weight", "encoder.bias"]
        names += [
            self.array_name(kind, target) for kind in ("W_dec", "b_dec") for target in range(self.n_targets)
        ]
        names += [self.array_name("W_skip", 0)] * bool(self.settings.get("skip_connection"))
        # Without the setting the norms are unread; where it is false, it says that they do nothing.
        names += ["in_norm", "out_norm"] * (self.settings.get("normalize_io") is not None)
        return names + [name for name in self.file.entries if name.startswith("post_enc")]

    def _norm(self, name: str) -> float:
        if not self.settings.get("normalize_io"):
            return sqrt(self.d_model)
        norm = float(self.file.weights(name, 1).read()[0])
        if norm <= 0:
            raise ClewError(
                f"{self.file.path} holds {name} = {norm:g}, but a norm is above 0; fetch it again."
            )
        return norm


def open_coder(files: TranscoderFiles, name: str, run: FileSettings | None) -> SparseCoder:
    """Raises `ClewError` for an autoencoder, and for what clew cannot represent exactly."""
    file, settings = files.open(name), files.settings_beside(name, "cfg.json")
    settings.check(KEYS)
    old = is_old_transcoder(settings, run)
    if settings.get("k") is None:
        raise ClewError(f"{settings.path} says k: None; correct it to a whole number from 1 on.")
    n_features, d_model = file.weights("encoder.weight", None, None).shape
    settings.check_sizes(file, n_features, d_model, {"d_in": d_model, "num_latents": n_features})
    factor = settings.get("expansion_factor")
    if factor and not settings.get("num_latents") and factor * d_model != n_features:
        files.on_remark(
            f"{settings.path} says expansion_factor: {factor}, which makes {factor * d_model:,} features; "
            f"its weights hold {n_features:,}, which count."
        )
    coder = SparseCoder(file, settings, n_features, d_model, takes_bias_off=old)
    _refuse_post_encoder(coder)
    refuse_unread(file, coder.used)
    return coder


def _run_settings(files: TranscoderFiles) -> FileSettings | None:
    """The settings of the training run, if the folder of the hookpoints has them."""
    if "config.json" not in files.paths:
        return None
    run = files.settings("config.json")
    run.check(RUN_KEYS)
    return run


def _refuse_post_encoder(coder: SparseCoder) -> None:
    """Raise `ClewError` for biases and scales after the TopK, one per target, unless they do nothing."""
    for name in coder.file.entries:
        if not name.startswith("post_enc"):
            continue
        neutral = 1.0 if name.startswith("post_enc_scale") else 0.0
        if bool((coder.file.weights(name, coder.n_features).read() != neutral).any()):
            raise ClewError(
                f"{coder.file.path} holds a trained {name}, so an activation depends on the layer that it "
                "writes to, which clew cannot represent exactly; name a set without it."
            )


def _hookpoint_layer(files: TranscoderFiles, name: str) -> int:
    hookpoint = files.paths[name].parent.name
    match = HOOKPOINT.fullmatch(hookpoint)
    if match is None:
        raise ClewError(
            f"{files.paths[name]} is for the hookpoint {hookpoint!r}, but clew needs transcoders of MLPs; "
            "name folders such as layers.3.mlp or h.3.mlp."
        )
    return int(match[1])


def _read_point(files: TranscoderFiles, run: FileSettings | None) -> ReadPoint:
    """The MLP's own input, unless the settings of the training run name other modules."""
    stated = (run and run.get("hookpoints_in")) or []
    modules = [str(module) for module in (stated if isinstance(stated, list) else [stated])]
    if run is None or all(module.rpartition(".")[2] == "mlp" for module in modules):
        return ReadPoint.MLP_INPUT
    if all(module.rpartition(".")[2] in BEFORE_NORM for module in modules):
        return ReadPoint.RESIDUAL
    if files.overrides.read_point:
        return files.overrides.read_point
    raise ClewError(
        f"{run.path} says hookpoints_in: {shown(modules[0])}, which clew does not support; if it is a read "
        f"point of clew, pass {option_name('read_point')}."
    )


def _layer(coder: SparseCoder, layer: int, coders: Mapping[int, SparseCoder]) -> LayerTranscoder:
    shape = (coder.n_features, coder.d_model)
    targets = [other for other in coders if other >= layer][: coder.n_targets]
    if targets != list(range(layer, layer + coder.n_targets)):
        raise ClewError(
            f"{coder.file.path} writes to {coder.n_targets} layers from {layer} on, but some of them are "
            "missing; fetch the missing files."
        )
    if coder.settings.get("skip_connection") and coder.n_targets > 1:
        raise ClewError(
            f"{coder.file.path} has skip connections to other layers (skip_connection with n_targets "
            f"{coder.n_targets}), which clew cannot represent exactly; name a set without them."
        )
    decoders = tuple(
        scaled(coder.array("W_dec", number, *shape), _factor(layer, target, coders))
        for number, target in enumerate(targets)
    )
    encoder = coder.file.weights("encoder.weight", *shape)
    encoder_bias = coder.file.weights("encoder.bias", coder.n_features)
    if coder.takes_bias_off:
        encoder_bias = taken_off_input(encoder, encoder_bias, coder.array("b_dec", 0, coder.d_model))
    return LayerTranscoder(
        encoder=scaled(encoder, coder.input_scale),
        encoder_bias=encoder_bias,
        decoder=Decoder(decoders[0] if len(decoders) == 1 else StackedWeights(decoders)),
        decoder_bias=_bias(layer, coders),
        activation=TopK(coder.settings.get("k")),
        skip=_skip(coder),
    )


def _writers(target: int, coders: Mapping[int, SparseCoder]) -> list[int]:
    """The layers below a target that write to it."""
    return [layer for layer, coder in coders.items() if layer < target < layer + coder.n_targets]


def _factor(layer: int, target: int, coders: Mapping[int, SparseCoder]) -> float:
    """The factor of a layer's decoding at a target."""
    scale = coders[target].output_scale
    if layer < target and coders[target].settings.get("divide_cross_layer"):
        return scale / max(1, len(_writers(target, coders)))
    return scale


def _bias(target: int, coders: Mapping[int, SparseCoder]) -> Weights:
    """The target's own bias plus those of the layers that write to it."""
    own = coders[target]
    parts = {
        layer: coders[layer].array("b_dec", target - layer, own.d_model) for layer in _writers(target, coders)
    }
    parts[target] = own.array("b_dec", 0, own.d_model)
    if list(parts) == [target] and _factor(target, target, coders) == 1:
        return parts[target]
    total = [bias.read() * _factor(layer, target, coders) for layer, bias in parts.items()]
    return HeldWeights(torch.stack(total).sum(0))


def _skip(coder: SparseCoder) -> Weights | None:
    if not coder.settings.get("skip_connection"):
        return None
    skip = coder.array("W_skip", 0, coder.d_model, coder.d_model)
    return scaled(skip, coder.input_scale * coder.output_scale)


FORMAT = Format(
    "sparsify", "cfg.json, sae.safetensors in folders named as layers.3.mlp", choose_files, holds, load
)
