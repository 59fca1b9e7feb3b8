"""Misfits of weights: biases, scales, matrices, activations and rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from statistics import median

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.activation import JumpReLU, ReLU, TopK
from clew.dictionary.formats.folding import scale_rows, scaled, taken_off_input
from clew.dictionary.layer_numbers import numbers_joined
from clew.dictionary.misfits.misfit import Cause, Change, Misfit, every_feature, own_first
from clew.dictionary.read_write_points import read_values
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder
from clew.dictionary.weights import HeldWeights, transpose
from clew.options import option_name

PLAIN = 0.75
"""The largest scaled FVU for which the scale counts as the cause; shrinking any dictionary helps a little."""
ODD = 30
"""The multiple of the median length from which a row is an odd one."""
USUAL_KS = (16, 32, 64, 128, 256)


def biases(misfit: Misfit) -> Iterator[Cause]:
    """The output bias taken off the input, or left on it, at each read point."""
    own = misfit.own
    for read, sign in product(own_first(own.read_point), (1, -1)):
        if all(part.decoder_bias is None for part in own.layers.values()):
            return
        moved = replace(misfit.with_layers(lambda part, sign=sign: _with_bias(part, sign)), read_point=read)
        fvu = misfit.quality_of(moved).fvu
        if sign == 1:
            rule = "its output bias (b_dec) was taken off the input of its encoder"
            remedy = {
                "SAELens": "write apply_b_dec_to_input: true into cfg.json",
                "sparsify PLT": "delete transcode and activation from cfg.json, which sparsify wrote only "
                "after it had stopped doing so in February 2025",
            }.get(own.format, "save b_enc - W_enc b_dec as the bias of the encoder")
        else:
            rule = "its output bias (b_dec) was not taken off the input of its encoder"
            remedy = {
                "SAELens": "write apply_b_dec_to_input: false into cfg.json",
                "sparsify PLT": "write transcode: true into cfg.json",
            }.get(own.format, "save b_enc + W_enc b_dec as the bias of the encoder")
        point = ""
        if read is not own.read_point:
            point = f", with {option_name('read_point', read.option)}"
        yield Cause(f"most likely {rule}, which would give an FVU of {fvu:.3g}{point}; {remedy}.", fvu)


def _with_bias(part: LayerTranscoder, sign: int) -> LayerTranscoder:
    bias = part.decoder_bias
    if bias is None:
        return part
    shifted = taken_off_input(part.encoder, part.encoder_bias, scaled(bias, sign))
    return replace(part, encoder_bias=shifted)


def output_scale(misfit: Misfit) -> Iterator[Cause]:
    quality = misfit.quality
    if quality.scaled_fvu <= PLAIN and quality.scales_agree:
        yield Cause(
            f"its scale is wrong: multiplied by {quality.best_scale:.3g}, its FVU would be "
            f"{quality.scaled_fvu:.3g}. The inputs or outputs were probably normalised in training; multiply "
            f"the decoders by {quality.best_scale:.3g} and save them.",
            quality.scaled_fvu,
        )


def input_scale(misfit: Misfit) -> Iterator[Cause]:
    """Inputs scaled to a mean norm of sqrt(d_model) in training, or by the inverse of that."""
    own, model = misfit.own, misfit.model
    for inverse in (False, True):
        layers, factors = {}, []
        for layer, part in own.layers.items():
            x = torch.cat([read_values(model, each, own.read_point, layer)[1:] for each in misfit.recordings])
            factor = model.d_model**0.5 / float(x.norm(dim=-1).mean())
            factors.append(1 / factor if inverse else factor)
            layers[layer] = replace(part, encoder=scaled(part.encoder, factors[-1]))
        quality = misfit.quality_of(replace(own, layers=layers))
        if quality.scales_agree:
            yield Cause(
                "its inputs were scaled in training, to a mean norm of sqrt(d_model): with encoders "
                f"multiplied by about {median(factors):.3g} and outputs by {quality.best_scale:.3g}, its FVU "
                f"would be {quality.scaled_fvu:.3g}; fold the scale into its weights and save them.",
                quality.scaled_fvu,
            )


def matrices(misfit: Misfit) -> Iterator[Cause]:
    """Square matrices, whose shape does not tell which way they are applied, and the skip connection."""
    own = misfit.own
    changes: dict[str, Change] = {}
    if any(part.skip for part in own.layers.values()):
        changes["its skip connections are transposed; save them the other way round"] = lambda part: replace(
            part, skip=part.skip and transpose(part.skip)
        )
        changes["its skip connections are not its own; save it without them"] = lambda part: replace(
            part, skip=None
        )
    if all(part.n_features == part.d_model for part in own.layers.values()):
        changes["its encoders are transposed; save them the other way round"] = lambda part: replace(
            part, encoder=transpose(part.encoder)
        )
        if not own.crosses_layers:
            changes["its decoders are transposed; save them the other way round"] = lambda part: replace(
                part, decoder=Decoder(transpose(HeldWeights(part.decoder.spans(every_feature(part))[:, 0])))
            )
    for words, change in changes.items():
        fvu = misfit.changed(change).fvu
        what, _, remedy = words.partition("; ")
        yield Cause(f"most likely {what} (its FVU would be {fvu:.3g}); {remedy}.", fvu)


def activations(misfit: Misfit) -> Iterator[Cause]:
    """Another k, no thresholds, or thresholds whose logarithms are stored."""
    own = misfit.own
    kinds = {type(part.activation) for part in own.layers.values()}
    if kinds == {TopK}:
        ks = {part.activation.k for part in own.layers.values() if isinstance(part.activation, TopK)}
        k, width = max(ks), min(part.n_features for part in own.layers.values())
        others = {k // 8, k // 4, k // 2, 2 * k, 4 * k, 8 * k, *USUAL_KS}
        for other in sorted(others):
            if 1 <= other <= width and {other} != ks:
                topk = misfit.with_layers(lambda part, k=other: replace(part, activation=TopK(k)))
                fvu = misfit.quality_of(topk).fvu
                yield Cause(
                    f"most likely k is not {k}: with {other} active features it would have an FVU of "
                    f"{fvu:.3g}; correct k in its files.",
                    fvu,
                )
    if kinds == {JumpReLU}:
        if any(_has_negative_threshold(part) for part in own.layers.values()):
            fvu = misfit.changed(_with_exponentials).fvu
            yield Cause(
                "most likely its thresholds are stored as logarithms: with their exponentials its FVU would "
                f"be {fvu:.3g}; save the exponentials.",
                fvu,
            )
        relu = misfit.with_layers(lambda part: replace(part, activation=ReLU()))
        fvu = misfit.quality_of(relu).fvu
        yield Cause(
            f"most likely its thresholds are wrong: without them its FVU would be {fvu:.3g}; fetch it again.",
            fvu,
        )


def _has_negative_threshold(part: LayerTranscoder) -> bool:
    return isinstance(part.activation, JumpReLU) and bool((part.activation.threshold.read() < 0).any())


def _with_exponentials(part: LayerTranscoder) -> LayerTranscoder:
    if not isinstance(part.activation, JumpReLU):
        return part
    return replace(part, activation=JumpReLU(HeldWeights(part.activation.threshold.read().exp())))


def rows(misfit: Misfit) -> Iterator[Cause]:
    """Features whose rows are many times as long as others."""
    own = misfit.own
    if own.crosses_layers:
        return
    layers, named = {}, []
    for layer, part in own.layers.items():
        decoder = part.decoder.spans(every_feature(part))[:, 0]
        odd = _odd(decoder.norm(dim=-1)) | _odd(part.encoder.read().norm(dim=-1))
        odd |= _odd(part.encoder_bias.read().abs())
        if bool(odd.any()):
            numbers = odd.nonzero().squeeze(1).tolist()
            named.append(f"{numbers_joined(numbers[:5])} of layer {layer}")
        layers[layer] = replace(part, decoder=Decoder(scale_rows(HeldWeights(decoder), (~odd).float())))
    if named:
        fvu = misfit.quality_of(replace(own, layers=layers)).fvu
        yield Cause(
            f"most likely some of its rows are damaged: the weights of feature {' and '.join(named[:3])} are "
            f"more than {ODD} times as long as usual, and without them its FVU would be {fvu:.3g}; fetch "
            "it again.",
            fvu,
        )


def _odd(lengths: Float[Tensor, " feature"]) -> Tensor:
    usual = lengths[lengths > 0]
    return lengths > ODD * usual.median() if len(usual) else lengths > 0
