"""Training that begins with transcoders that are already there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.activation import BatchTopK, JumpReLU
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import LayerTranscoder, TranscoderSet
from clew.errors import ClewError
from clew.training.activations import ByLayer
from clew.training.settings import TrainSettings
from clew.training.transcoders import Normalization, StackedTranscoders

LEAST_THRESHOLD = 1e-3
"""The threshold of features that have none, from which it can be steered."""


def check_beginning(
    transcoders: TranscoderSet, layers: Sequence[int], d_model: int, settings: TrainSettings
) -> None:
    """Raise `ClewError` for transcoders that training cannot begin with."""
    name = settings.init_from
    if settings.kind == "clt" or transcoders.crosses_layers:
        raise ClewError(
            "Training goes on from per-layer transcoders only; leave out init_from for cross-layer ones."
        )
    points = transcoders.read_point, transcoders.write_point
    if points != (ReadPoint.MLP_INPUT, WritePoint.MLP_OUTPUT):
        raise ClewError(
            f"{name} reads {points[0].value} and writes {points[1].value}; training goes on only from "
            "transcoders of the MLP's own input and output."
        )
    if missing := sorted(set(layers) - set(transcoders.layers)):
        raise ClewError(f"{name} has no layer {missing[0]}; name layers that it has.")
    some = [transcoders.layers[layer] for layer in layers]
    if some[0].d_model != d_model:
        raise ClewError(
            f"{name} has vectors of {some[0].d_model:,} numbers and the model of {d_model:,}; name "
            "transcoders of this model."
        )
    widths = {part.n_features for part in some}
    if len(widths) > 1 or (settings.features is not None and widths != {settings.features}):
        raise ClewError(
            f"{name} has {' and '.join(f'{width:,}' for width in sorted(widths))} features in a layer, which "
            "stay as they are; leave out features, or name transcoders of one width."
        )
    if any(part.skip for part in some) and settings.kind != "skip-plt":
        raise ClewError(f"{name} has skip connections; choose the kind skip-plt.")


def begin_from_saved(
    transcoders: TranscoderSet,
    layers: Sequence[int],
    normalization: Normalization,
    reads: ByLayer,
    settings: TrainSettings,
) -> StackedTranscoders:
    """The transcoders of some layers, of normalized values and with decoders of norm 1.

    Where their activation has no thresholds, these are such that `settings.l0` features are active on
    `reads`, which are normalized.
    """
    parts = [transcoders.layers[layer] for layer in layers]
    device = reads.device

    def stack(arrays: list[Tensor]) -> Tensor:
        return torch.stack(arrays).to(device, torch.float32)

    encoder = stack([part.encoder.read() for part in parts])
    decoder = stack([part.decoder.weights.read().view(part.n_features, -1) for part in parts])
    zero = torch.zeros(parts[0].d_model)
    bias = stack([zero if part.decoder_bias is None else part.decoder_bias.read() for part in parts])
    skip = None
    if settings.kind == "skip-plt":
        square = zero.new_zeros(len(zero), len(zero))
        skip = stack([square if part.skip is None else part.skip.read() for part in parts])
        bias = bias + torch.einsum("lwr,lr->lw", skip, normalization.read_mean)
        skip = skip * normalization.read_scale[:, None] / normalization.write_scale[:, :, None]
    encoder_bias = stack([part.encoder_bias.read() for part in parts])
    encoder_bias = encoder_bias + torch.einsum("lfd,ld->lf", encoder, normalization.read_mean)
    encoder = encoder * normalization.read_scale[:, None]
    decoder = decoder / normalization.write_scale[:, None]
    norms = decoder.norm(dim=-1).clamp_min(1e-12)
    encoder, encoder_bias = encoder * norms[..., None], encoder_bias * norms
    threshold = torch.stack(
        [
            _threshold(part, norms[place], reads[place] @ encoder[place].T + encoder_bias[place], settings.l0)
            for place, part in enumerate(parts)
        ]
    )
    return StackedTranscoders(
        encoder=encoder,
        encoder_bias=encoder_bias,
        decoder=decoder / norms[..., None],
        decoder_bias=(bias - normalization.write_mean) / normalization.write_scale,
        threshold=threshold.clamp_min(LEAST_THRESHOLD),
        skip=skip,
    )


def _threshold(
    part: LayerTranscoder,
    norms: Float[Tensor, " feature"],
    pre_activation: Float[Tensor, "token feature"],
    l0: float,
) -> Float[Tensor, " feature"]:
    match part.activation:
        case JumpReLU(threshold=values):
            return values.read().to(norms.device) * norms
        case BatchTopK(threshold=value):
            return value * norms
    n_above = max(1, min(pre_activation.numel(), round(l0 * len(pre_activation))))
    return pre_activation.flatten().topk(n_above).values[-1].expand_as(norms).clone()
