"""Transcoders while they are trained: arrays of several layers stacked, so that one product serves all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.activation import Activation
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder
from clew.dictionary.weights import HeldWeights
from clew.training.activations import ByLayer

Features = Float[Tensor, "layer token feature"]


@dataclass
class StackedTranscoders:
    """Per-layer transcoders of some layers, in float32."""

    encoder: Float[Tensor, "layer feature d_model"]
    encoder_bias: Float[Tensor, "layer feature"]
    decoder: Float[Tensor, "layer feature d_model"]
    decoder_bias: Float[Tensor, "layer d_model"]
    threshold: Float[Tensor, "layer feature"]
    """The pre-activation above which a feature is active."""
    skip: Float[Tensor, "layer d_model d_model"] | None = None
    """Rows are dimensions written, columns dimensions read."""

    @property
    def n_features(self) -> int:
        return self.encoder.shape[1]

    def arrays(self) -> Iterator[tuple[str, Tensor]]:
        """Names and arrays, without those that are missing."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                yield field.name, value

    def trained(self) -> dict[str, Tensor]:
        """The arrays that a gradient changes."""
        return {name: array for name, array in self.arrays() if name != "threshold"}

    def pre_activations(self, x: ByLayer) -> Features:
        """`encoder @ x + encoder_bias`, in the element type of `x`."""
        return torch.baddbmm(
            self.encoder_bias[:, None].to(x.dtype), x, self.encoder.to(x.dtype).transpose(1, 2)
        )

    def reconstruct(self, activation: Features, x: ByLayer) -> ByLayer:
        """The transcoders' outputs for these activations and inputs, in the element type of `x`."""
        output = torch.baddbmm(self.decoder_bias[:, None].to(x.dtype), activation, self.decoder.to(x.dtype))
        if self.skip is not None:
            output = output + x @ self.skip.to(x.dtype).transpose(1, 2)
        return output


@dataclass(frozen=True)
class Normalization:
    """Means and scales of the MLPs' inputs and outputs, per layer and dimension."""

    read_mean: Float[Tensor, "layer d_model"]
    read_scale: Float[Tensor, "layer d_model"]
    write_mean: Float[Tensor, "layer d_model"]
    write_scale: Float[Tensor, "layer d_model"]

    @classmethod
    def of(cls, reads: ByLayer, writes: ByLayer) -> Normalization:
        """The normalization that gives these values mean 0, and variance 1 in the mean of dimensions."""
        return cls(reads.mean(1), _scale(reads), writes.mean(1), _scale(writes))

    def read(self, values: ByLayer) -> ByLayer:
        return (values - self.read_mean[:, None]) / self.read_scale[:, None]

    def write(self, values: ByLayer) -> ByLayer:
        return (values - self.write_mean[:, None]) / self.write_scale[:, None]

    def folded(self, stacked: StackedTranscoders) -> StackedTranscoders:
        """Transcoders of normalized values as transcoders of the model's own values."""
        encoder = stacked.encoder / self.read_scale[:, None]
        decoder = stacked.decoder * self.write_scale[:, None]
        skip, bias = None, stacked.decoder_bias * self.write_scale + self.write_mean
        if stacked.skip is not None:
            skip = stacked.skip * self.write_scale[:, :, None] / self.read_scale[:, None]
            bias = bias - torch.einsum("lwr,lr->lw", skip, self.read_mean)
        return StackedTranscoders(
            encoder=encoder,
            encoder_bias=stacked.encoder_bias - torch.einsum("lfd,ld->lf", encoder, self.read_mean),
            decoder=decoder,
            decoder_bias=bias,
            threshold=stacked.threshold.clone(),
            skip=skip,
        )


LARGEST_DIMENSION = 4.0
"""Deviation of a dimension, in medians of all, above which it is scaled down: one huge dimension would
otherwise be all that a layer's features learn."""


def _scale(values: ByLayer) -> Float[Tensor, "layer d_model"]:
    deviation = values.std(1)
    largest = LARGEST_DIMENSION * deviation.median(dim=1, keepdim=True).values.clamp_min(1e-12)
    shrink = (deviation / largest).clamp_min(1.0)
    return shrink * (deviation / shrink).square().mean(1, keepdim=True).sqrt().clamp_min(1e-12)


def layer_transcoder(
    stacked: StackedTranscoders, place: int, activation: Activation, dtype: torch.dtype
) -> LayerTranscoder:
    """One layer of stacked transcoders as a dictionary holds it; biases stay in float32."""

    def held(array: Tensor, dtype: torch.dtype = torch.float32) -> HeldWeights:
        return HeldWeights(array.detach()[place].to("cpu", dtype).contiguous())

    return LayerTranscoder(
        encoder=held(stacked.encoder, dtype),
        encoder_bias=held(stacked.encoder_bias),
        decoder=Decoder(held(stacked.decoder, dtype)),
        decoder_bias=held(stacked.decoder_bias),
        activation=activation,
        skip=None if stacked.skip is None else held(stacked.skip, dtype),
    )
