"""Transcoders: features that others trained to replace a model's MLPs.

A feature reads at its own layer. In a per-layer transcoder (PLT) it writes to the MLP output of that layer
only, in a cross-layer transcoder (CLT) to that of its own layer and all layers above. One class holds both,
since a PLT is a CLT that writes to one layer. A skip connection adds a linear map from the read point to
the write point.

- PLT: "Transcoders Find Interpretable LLM Feature Circuits", Dunefsky et al. 2024,
  https://arxiv.org/abs/2406.11944
- CLT: "Circuit Tracing: Revealing Computational Graphs in Language Models", Ameisen et al. 2025,
  https://transformer-circuits.pub/2025/attribution-graphs/methods.html
- skip: "Transcoders Beat Sparse Autoencoders for Interpretability", Paulo et al. 2025,
  https://arxiv.org/abs/2501.18823
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
from clew.file_stamps import FileStamps, changed_since


@dataclass(frozen=True)
class Decoder:
    """The vectors that a layer's features write, to their own layer and to those above."""

    weights: Weights
    """`[feature, d_model]`, or `[feature, layer, d_model]` for a CLT."""
    first: int = 0
    """The number of the feature's own layer among the stored ones."""

    @property
    def n_features(self) -> int:
        return self.weights.shape[0]

    @property
    def n_written(self) -> int:
        """The number of layers that a feature writes to, with its own."""
        return self._stride - self.first

    def rows(self, index: Int[Tensor, " feature"], ahead: int) -> Float[Tensor, "feature d_model"]:
        """The vectors that some features write `ahead` layers above their own."""
        return self.weights.rows(index * self._stride + self.first + ahead)

    def spans(self, index: Int[Tensor, " feature"]) -> Float[Tensor, "feature written d_model"]:
        """The vectors that some features write to their own layer and to all above it."""
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
    """`[d_model, d_model]`: adds `skip @ x` to this layer's output, with x the stream at the read point."""

    @property
    def n_features(self) -> int:
        return self.encoder.shape[0]

    @property
    def n_bytes(self) -> int:
        """The size of its arrays, on disk or in memory."""
        arrays = (self.encoder, self.encoder_bias, self.decoder.weights, self.decoder_bias, self.skip)
        return sum(array.n_bytes for array in arrays if array is not None)

    @property
    def d_model(self) -> int:
        return self.encoder.shape[1]


@dataclass(frozen=True)
class TranscoderSet:
    """Transcoders as they were published, not yet bound to a loaded model."""

    layers: Mapping[int, LayerTranscoder]
    """Transcoders by layer; a missing layer has no features."""
    read_point: ReadPoint
    write_point: WritePoint
    format: str
    """The name of the weight format, for people."""
    trained_on: str = ""
    """The model that the files name; "" if they name none."""
    sink: str | None = None
    """Text of the first token that they were trained behind, `bos`, or `none`; None if nobody says."""
    trained_with_bos: bool | None = None
    """True if they were trained on prompts with a BOS in front; None if nobody says."""
    hooks: tuple[str, ...] = ()
    """The names of their read and write points in the files."""
    remarks: tuple[str, ...] = ()
    """Sentences about what is odd in the files, and about settings of theirs that the caller's replace."""

    weights_key: str = ""
    """Fingerprint of the files (`clew.fingerprints`); empty for a set that was made in memory."""
    stamps: FileStamps = ()
    """The files as they were when they were read: weights and settings."""

    @property
    def crosses_layers(self) -> bool:
        """True for a CLT: some feature writes to other layers than its own."""
        return any(part.decoder.n_written > 1 for part in self.layers.values())

    @property
    def kind(self) -> str:
        """Per-layer or cross-layer, with or without skip connections; for people."""
        kind = "cross-layer transcoder" if self.crosses_layers else "per-layer transcoders"
        skips = any(part.skip for part in self.layers.values())
        return f"{kind} with skip connections" if skips else kind

    @property
    def width(self) -> str:
        """The number of features of a layer, for people: `16,384`, or `8,192 to 16,384`."""
        widths = sorted({part.n_features for part in self.layers.values()})
        return " to ".join(f"{width:,}" for width in dict.fromkeys((widths[0], widths[-1])))

    def changed_on_disk(self) -> bool:
        """True if a file is gone, or another one now than when it was read."""
        return changed_since(self.stamps)

    def __repr__(self) -> str:
        return f"TranscoderSet({self.kind}, {len(self.layers)} layers of {self.width} features)"
