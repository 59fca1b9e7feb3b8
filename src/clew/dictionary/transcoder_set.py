"""Transcoders: features that others trained to stand in for the MLPs.

A feature reads at its own layer. A per-layer transcoder (PLT) writes to that layer's MLP output
alone, a cross-layer one (CLT, Ameisen et al. 2025) to that of every layer from its own on: a PLT is
a CLT that stops early, and both are the same here. A skip connection (Paulo et al. 2025) adds a linear map
from the read point to the write point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.dictionary.activation import Activation
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.weights import Weights


@dataclass(frozen=True)
class Decoder:
    """What a layer's features write, on each layer from their own on."""

    weights: Weights
    """`[feature, d_model]`, or `[feature, layer, d_model]` for a CLT."""
    first: int = 0
    """Which of the stored layers is the feature's own."""

    @property
    def n_features(self) -> int:
        return self.weights.shape[0]

    @property
    def n_written(self) -> int:
        """How many layers a feature writes to, its own counted."""
        return self._stride - self.first

    def rows(self, index: Int[Tensor, " feature"], ahead: int) -> Float[Tensor, "feature d_model"]:
        """What some features write `ahead` layers above their own."""
        return self.weights.rows(index * self._stride + self.first + ahead)

    def spans(self, index: Int[Tensor, " feature"]) -> Float[Tensor, "feature written d_model"]:
        """What some features write on every layer from their own on."""
        row = torch.arange(self.first, self._stride) + index[:, None] * self._stride
        return self.weights.rows(row.flatten()).view(*row.shape, self.weights.shape[-1])

    @property
    def _stride(self) -> int:
        return self.weights.shape[1] if len(self.weights.shape) == 3 else 1


@dataclass(frozen=True)
class LayerTranscoder:
    """One layer's features; every array in float32, float16 or bfloat16, in memory or on disk."""

    encoder: Weights
    """`[feature, d_model]`."""
    encoder_bias: Weights
    """`[feature]`."""
    decoder: Decoder
    decoder_bias: Weights | None
    """`[d_model]`, added once to this layer's output."""
    activation: Activation
    skip: Weights | None = None
    """`[d_model, d_model]`: adds `skip @ x` to this layer's output, x being what the features read."""

    @property
    def n_features(self) -> int:
        return self.encoder.shape[0]

    @property
    def n_bytes(self) -> int:
        """Of its arrays, on disk or in memory."""
        arrays = (self.encoder, self.encoder_bias, self.decoder.weights, self.decoder_bias, self.skip)
        return sum(array.n_bytes for array in arrays if array is not None)

    @property
    def d_model(self) -> int:
        return self.encoder.shape[1]


@dataclass(frozen=True)
class TranscoderSet:
    """Transcoders as they were published, not yet bound to a loaded model."""

    layers: Mapping[int, LayerTranscoder]
    """By layer; a layer that is missing has no features."""
    read_point: ReadPoint
    write_point: WritePoint
    format: str
    """The weight format's name, for people."""
    trained_on: str = ""
    """The model that the files name, if they do."""

    @property
    def crosses_layers(self) -> bool:
        """Whether any feature writes to other layers than its own: a CLT, not PLTs."""
        return any(part.decoder.n_written > 1 for part in self.layers.values())

    @property
    def kind(self) -> str:
        """For people: per-layer or cross-layer, with or without skip connections."""
        kind = "cross-layer transcoder" if self.crosses_layers else "per-layer transcoders"
        skips = any(part.skip for part in self.layers.values())
        return f"{kind} with skip connections" if skips else kind

    @property
    def width(self) -> str:
        """Features of a layer, for people: `16,384`, or `8,192 to 16,384`."""
        widths = sorted({part.n_features for part in self.layers.values()})
        return " to ".join(f"{width:,}" for width in dict.fromkeys((widths[0], widths[-1])))

    def __repr__(self) -> str:
        return f"TranscoderSet({self.kind}, {len(self.layers)} layers of {self.width} features)"
