"""What a dictionary is: a set of features that read the residual stream and write to it.

A `Dictionary` knows weights; `encode` applies it to one recording and gives an `Encoding`, which
answers everything attribution asks. Attribution knows neither transcoders nor neurons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Float, Int
from torch import Tensor

from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.model.recording import Recording


@dataclass(frozen=True)
class ActiveFeatures:
    """Features at one (layer, position) each, sorted by layer, position and index."""

    layer: Int[Tensor, " feature"]
    position: Int[Tensor, " feature"]
    index: Int[Tensor, " feature"]
    activation: Float[Tensor, " feature"]

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
        """To how many layers a feature may write, its own counted."""
        ...

    def n_active(self, first_position: int) -> int:
        """How many features are active at `first_position` and after."""
        ...

    def active(self, layer: int) -> ActiveFeatures:
        """A layer's active features, those at the sink included."""
        ...

    def reads(
        self, features: ActiveFeatures
    ) -> tuple[Float[Tensor, "feature d_model"], Float[Tensor, " feature"], Float[Tensor, " feature"]]:
        """Encoder directions at the read point, their constant offsets, and what each must add up to.

        Direction times stream plus offset equals the total: the feature's pre-activation.
        """
        ...

    def writes(
        self, features: ActiveFeatures, layer: int
    ) -> tuple[Int[Tensor, " writer"], Float[Tensor, "writer d_model"]]:
        """Which of `features` write at `layer`, and their decoder directions at the write point."""
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
        """What changes at a layer's read point do to the pre-activations of all its features, linearly."""
        ...

    def pull_back(
        self, layer: int, at_write: Sequence[Float[Tensor, "position d_model target"]]
    ) -> tuple[Float[Tensor, "feature target"], Float[Tensor, "position d_model target"]]:
        """A gradient on each active feature of the layer, and on the read point through them and the skip.

        `at_write` holds the gradients at the write points of this layer and of those above it, as many as
        `reach` says.
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
    def n_features(self) -> tuple[int, ...]:
        """Features of each layer of the model."""
        ...

    def encode(self, recording: Recording) -> Encoding: ...

    def respond(
        self, layer: int, x: Float[Tensor, "... d_model"]
    ) -> tuple[Float[Tensor, "... feature"], Float[Tensor, "... feature"]]:
        """Pre-activations and activations of all features of a layer that read `x` at the read point."""
        ...

    def decoder(self, layer: int, index: Int[Tensor, " feature"]) -> Float[Tensor, "feature written d_model"]:
        """What some features of a layer write at the write points of their own layer and those above."""
        ...
