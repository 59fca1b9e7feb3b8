"""Transcoders while they are trained: arrays of several layers stacked, so that one product serves all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.dictionary.activation import Activation
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder
from clew.dictionary.weights import HeldWeights
from clew.training.activations import ByLayer

Features = Float[Tensor, "layer token feature"]


@dataclass
class StackedTranscoders:
    """Transcoders of some layers, in float32; the features of a CLT write to layers above their own too.

    Decoders stand in pairs of a layer that is read and one that is written: first those of the first layer's
    features, from their own layer up, then those of the next one. A PLT has one pair a layer.
    """

    encoder: Float[Tensor, "layer feature d_model"]
    encoder_bias: Float[Tensor, "layer feature"]
    decoder: Float[Tensor, "pair feature d_model"]
    decoder_bias: Float[Tensor, "layer d_model"]
    threshold: Float[Tensor, "layer feature"]
    """The pre-activation above which a feature is active."""
    skip: Float[Tensor, "layer d_model d_model"] | None = None
    """Rows are dimensions written, columns dimensions read."""
    reach: tuple[int, ...] = ()
    """The number of layers that each layer's features write to, with their own; 1 by default."""
    places: tuple[int, ...] = ()
    """Each layer's own place among the layers that are written; by default they are the same layers."""

    def __post_init__(self) -> None:
        self.reach = self.reach or (1,) * len(self.encoder)
        self.places = self.places or tuple(range(len(self.encoder)))

    @property
    def n_features(self) -> int:
        return self.encoder.shape[1]

    @property
    def crosses_layers(self) -> bool:
        """True if some features write to layers above their own, or layers are written that are not here."""
        return max(self.reach) > 1 or self.n_written > len(self.encoder)

    @property
    def n_written(self) -> int:
        return max(place + reach for place, reach in zip(self.places, self.reach, strict=True))

    def arrays(self) -> Iterator[tuple[str, Tensor]]:
        """Names and arrays, without those that are missing."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                yield field.name, value

    def trained(self) -> dict[str, Tensor]:
        """The arrays that a gradient changes, but for thresholds."""
        return {name: array for name, array in self.arrays() if name != "threshold"}

    def pairs(self, place: int) -> slice:
        """The decoders of a layer's features."""
        begin = sum(self.reach[:place])
        return slice(begin, begin + self.reach[place])

    def written(self, place: int) -> slice:
        """The layers that a layer's features write to, among those that are written."""
        return slice(self.places[place], self.places[place] + self.reach[place])

    def of_layer(self, place: int) -> StackedTranscoders:
        """Copies of one layer's arrays."""
        one = {
            name: array[self.pairs(place) if name == "decoder" else slice(place, place + 1)]
            for name, array in self.arrays()
        }
        copies: dict[str, Any] = {name: array.detach().clone() for name, array in one.items()}
        return StackedTranscoders(**copies, reach=(self.reach[place],))

    def pre_activations(self, x: ByLayer) -> Features:
        """`encoder @ x + encoder_bias`, in the element type of `x`."""
        return torch.baddbmm(
            self.encoder_bias[:, None].to(x.dtype), x, self.encoder.to(x.dtype).transpose(1, 2)
        )

    def reconstruct(self, activation: Features, x: ByLayer) -> Float[Tensor, "written token d_model"]:
        """Outputs for these activations and inputs, in the element type of `x`.

        Each layer's output is the sum over the features of that layer and of those below.
        """
        if self.crosses_layers:
            return self._reconstruct_across(activation)
        output = torch.baddbmm(self.decoder_bias[:, None].to(x.dtype), activation, self.decoder.to(x.dtype))
        if self.skip is not None:
            output = output + x @ self.skip.to(x.dtype).transpose(1, 2)
        return output

    def _reconstruct_across(self, activation: Features) -> Float[Tensor, "written token d_model"]:
        """A product for each pair; no larger one would do without a copy of activations or decoders."""
        dtype, shape = activation.dtype, (activation.shape[1], self.decoder.shape[2])
        by_layer, decoders = activation.unbind(), self.decoder.to(dtype).unbind()
        outputs = [activation.new_zeros(shape)] * self.n_written
        for place, bias in zip(self.places, self.decoder_bias.to(dtype), strict=True):
            outputs[place] = bias.expand(shape)
        pair = 0
        for layer, (place, reach) in enumerate(zip(self.places, self.reach, strict=True)):
            for target in range(place, place + reach):
                outputs[target] = torch.addmm(outputs[target], by_layer[layer], decoders[pair])
                pair += 1
        return torch.stack(outputs)

    def decoder_norms(self) -> Float[Tensor, "layer feature"]:
        """The norm of all that a feature writes, its layers side by side."""
        return self._by_layer(self.decoder.square().sum(-1)).sqrt()

    def _by_layer(self, by_pair: Float[Tensor, "pair feature"]) -> Float[Tensor, "layer feature"]:
        if not self.crosses_layers:
            return by_pair
        return torch.stack([some.sum(0) for some in by_pair.split(self.reach)])

    @torch.no_grad()
    def normalize_decoders(self) -> None:
        """Scale each feature's decoder to norm 1, in place; one of zeros stays."""
        norms = self.decoder_norms().clamp_min(1e-12)
        self.decoder /= norms.repeat_interleave(self._tensor(self.reach), dim=0)[..., None]

    @property
    def own(self) -> Int[Tensor, " layer"]:
        """Each layer's own place among the layers that are written."""
        return self._tensor(self.places)

    @property
    def targets(self) -> Int[Tensor, " pair"]:
        """The place of the layer that each decoder writes to."""
        both = zip(self.places, self.reach, strict=True)
        return self._tensor([place + ahead for place, reach in both for ahead in range(reach)])

    def _tensor(self, numbers: Sequence[int]) -> Int[Tensor, " number"]:
        return torch.tensor(numbers, device=self.encoder.device)


@dataclass(frozen=True)
class Normalization:
    """Means and scales of the MLPs' inputs and outputs, per layer and dimension."""

    read_mean: Float[Tensor, "layer d_model"]
    read_scale: Float[Tensor, "layer d_model"]
    write_mean: Float[Tensor, "written d_model"]
    write_scale: Float[Tensor, "written d_model"]

    @classmethod
    def of(cls, reads: ByLayer, writes: ByLayer, most: float | None = None) -> Normalization:
        """The normalization that gives these values mean 0, and variance 1 in the mean of dimensions.

        No token counts more than `most` median ones, if that is given.
        """
        return cls(*_mean_and_scale(reads, most), *_mean_and_scale(writes, most))

    def read(self, values: ByLayer) -> ByLayer:
        return (values - self.read_mean[:, None]) / self.read_scale[:, None]

    def write(self, values: ByLayer) -> ByLayer:
        return (values - self.write_mean[:, None]) / self.write_scale[:, None]

    def of_layer(self, read: int, written: int) -> dict[str, Tensor]:
        """The means and scales of one layer, from its places among those that are read and written."""
        places = {"read_mean": read, "read_scale": read, "write_mean": written, "write_scale": written}
        return {
            name: getattr(self, name)[place : place + 1].to("cpu", copy=True)
            for name, place in places.items()
        }

    def folded(self, stacked: StackedTranscoders) -> StackedTranscoders:
        """Transcoders of normalized values as transcoders of the model's own values."""
        encoder = stacked.encoder / self.read_scale[:, None]
        decoder = stacked.decoder * self.write_scale[stacked.targets][:, None]
        own_scale, own_mean = self.write_scale[stacked.own], self.write_mean[stacked.own]
        skip, bias = None, stacked.decoder_bias * own_scale + own_mean
        if stacked.skip is not None:
            skip = stacked.skip * own_scale[:, :, None] / self.read_scale[:, None]
            bias = bias - torch.einsum("lwr,lr->lw", skip, self.read_mean)
        return StackedTranscoders(
            encoder=encoder,
            encoder_bias=stacked.encoder_bias - torch.einsum("lfd,ld->lf", encoder, self.read_mean),
            decoder=decoder,
            decoder_bias=bias,
            threshold=stacked.threshold.clone(),
            skip=skip,
            reach=stacked.reach,
            places=stacked.places,
        )


LARGEST_DIMENSION = 4.0
"""Deviation of a dimension, in medians of all, above which it is scaled down: one huge dimension would
otherwise be all that a layer's features learn."""


def _mean_and_scale(
    values: ByLayer, most: float | None
) -> tuple[Float[Tensor, "layer d_model"], Float[Tensor, "layer d_model"]]:
    if most is None:
        return values.mean(1), _scale(values.std(1))
    middle = values.median(1, keepdim=True).values
    usual = (values - middle).abs().median(1, keepdim=True).values
    usual = usual.clamp_min(usual.median(2, keepdim=True).values / 10).clamp_min(1e-12)
    weight = token_weights((values - middle) / usual, most)[..., None]
    mean = (weight * values).sum(1) / weight.sum(1)
    squares = (weight * (values - mean[:, None]).square()).sum(1)
    return mean, _scale((squares / weight.sum(1)).sqrt())


def _scale(deviation: Float[Tensor, "layer d_model"]) -> Float[Tensor, "layer d_model"]:
    largest = LARGEST_DIMENSION * deviation.median(dim=1, keepdim=True).values.clamp_min(1e-12)
    shrink = (deviation / largest).clamp_min(1.0)
    return shrink * (deviation / shrink).square().mean(1, keepdim=True).sqrt().clamp_min(1e-12)


def token_weights(values: ByLayer, most: float | None) -> Float[Tensor, "layer token"]:
    """Weights that let no token's square count more than `most` times the median token's; 1 without it."""
    if most is None:
        return values.new_ones(values.shape[:2])
    square = values.square().sum(2)
    return (most * square.median(1, keepdim=True).values / square.clamp_min(1e-30)).clamp_max(1.0)


def layer_transcoder(
    stacked: StackedTranscoders, activation: Activation, dtype: torch.dtype
) -> LayerTranscoder:
    """The transcoder of a single layer as a dictionary holds it; biases stay in float32."""

    def held(array: Tensor, dtype: torch.dtype = torch.float32) -> HeldWeights:
        return HeldWeights(array.detach().to("cpu", dtype).contiguous())

    decoder = stacked.decoder.transpose(0, 1) if stacked.crosses_layers else stacked.decoder[0]
    return LayerTranscoder(
        encoder=held(stacked.encoder[0], dtype),
        encoder_bias=held(stacked.encoder_bias[0]),
        decoder=Decoder(held(decoder, dtype)),
        decoder_bias=held(stacked.decoder_bias[0]),
        activation=activation,
        skip=None if stacked.skip is None else held(stacked.skip[0], dtype),
    )
