"""The protocols of a dictionary: a set of features that read the residual stream and write to it.

A `Dictionary` holds weights. Its `encode` applies it to one recording and returns an `Encoding`, which has
all that attribution needs: attribution does not distinguish transcoders from neurons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.dictionary.finite_activations import check_activations
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.model.recording import Recording


@dataclass(frozen=True)
class ActiveFeatures:
    """Active features, each at one layer and position; sorted by layer, position and index."""

    layer: Int[Tensor, " feature"]
    position: Int[Tensor, " feature"]
    index: Int[Tensor, " feature"]
    activation: Float[Tensor, " feature"]

    @classmethod
    def of_layer(cls, layer: int, activation: Float[Tensor, "position feature"]) -> ActiveFeatures:
        """The features of a layer whose activation is not zero; `ClewError` for one that is not finite."""
        check_activations(layer, activation)
        position, index = activation.nonzero(as_tuple=True)
        return cls(torch.full_like(index, layer), position, index, activation[position, index])

    def __len__(self) -> int:
        return len(self.layer)

    def at(self, chosen: Tensor) -> ActiveFeatures:
        return ActiveFeatures(
            self.layer[chosen], self.position[chosen], self.index[chosen], self.activation[chosen]
        )


class Encoding(Protocol):
    """A dictionary applied to one recording."""

    @property
    def read_point(self) -> ReadPoint: ...

    @property
    def write_point(self) -> WritePoint: ...

    @property
    def reach(self) -> int:
        """The largest number of layers that a feature writes to, with its own."""
        ...

    def n_active(self, first_position: int) -> int:
        """The number of features that are active at `first_position` and after."""
        ...

    def active(self, layer: int) -> ActiveFeatures:
        """A layer's active features, also those at the sink."""
        ...

    def reads(
        self, features: ActiveFeatures
    ) -> tuple[Float[Tensor, "feature d_model"], Float[Tensor, " feature"], Float[Tensor, " feature"]]:
        """Encoder directions at the read point, constant offsets, and totals (pre-activations).

        For each feature, direction times stream plus offset equals the total.
        """
        ...

    def writes(
        self, features: ActiveFeatures, layer: int
    ) -> tuple[Int[Tensor, " writer"], Float[Tensor, "writer d_model"]]:
        """The indices of those `features` that write at `layer`, and their directions at the write point."""
        ...

    def offset(self, layer: int) -> Float[Tensor, " d_model"] | None:
        """The constant that the layer's decoder adds at the write point."""
        ...

    def skip(self, layer: int) -> Float[Tensor, "d_model d_model"] | None:
        """The linear map from read point to write point that bypasses the features; None without one."""
        ...

    def push_forward(
        self, layer: int, change: Float[Tensor, "position d_model column"]
    ) -> Float[Tensor, "position feature column"]:
        """The linear effect of changes at a layer's read point on the pre-activations of its features."""
        ...

    def pull_back(
        self, layer: int, at_write: Sequence[Float[Tensor, "position d_model target"]]
    ) -> tuple[Float[Tensor, "feature target"], Float[Tensor, "position d_model target"]]:
        """Gradients on the layer's active features, and on its read point (through them and the skip).

        `at_write` holds the gradients at the write points of this layer and the layers above it, `reach` of
        them.
        """
        ...


class Dictionary(Protocol):
    """A set of features for one model."""

    @property
    def name(self) -> str: ...

    @property
    def read_point(self) -> ReadPoint: ...

    @property
    def write_point(self) -> WritePoint: ...

    @property
    def sink(self) -> str | None:
        """The first token of the texts that it was trained on, as the option `sink` names one."""
        ...

    @property
    def weights_key(self) -> str:
        """Fingerprint of its files (`clew.fingerprints`); empty where it has none of its own."""
        ...

    def changed_on_disk(self) -> bool:
        """True if a file of its own is gone, or another one now than when it was read."""
        ...

    @property
    def n_features(self) -> tuple[int, ...]:
        """Features of each layer of the model."""
        ...

    def encode(self, recording: Recording) -> Encoding: ...

    def respond(
        self, layer: int, x: Float[Tensor, "... d_model"]
    ) -> tuple[Float[Tensor, "... feature"], Float[Tensor, "... feature"]]:
        """Pre-activations and activations of all features of a layer, with `x` at the read point."""
        ...

    def decoder(self, layer: int, index: Int[Tensor, " feature"]) -> Float[Tensor, "feature written d_model"]:
        """Decoder directions of a layer's features at the write points of this layer and those above."""
        ...
