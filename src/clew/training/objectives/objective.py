"""The choices of a training objective: how features become active, and what keeps them few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Bool, Float
from torch import Tensor

from clew.dictionary.activation import Activation
from clew.training.activations import ByLayer
from clew.training.transcoders import Features, StackedTranscoders


@dataclass(frozen=True)
class Attempt:
    """One batch as it was reconstructed, for the terms of a loss beside the error."""

    pre_activation: Features
    activation: Features
    residual: ByLayer
    """The part of the output that the reconstruction lacks, in float32."""
    weight: Float[Tensor, "written token"]
    """The weight of each token in the error of each layer that is written."""
    dead: Bool[Tensor, "layer feature"]
    """True for features that have not been active for long."""


class Objective(Protocol):
    """A way to keep features few. Layers are independent of each other."""

    @property
    def learns_threshold(self) -> bool:
        """True if thresholds have a gradient."""
        ...

    @property
    def renews_dead(self) -> bool:
        """True if dead features begin anew; otherwise a term of the loss alone helps them."""
        ...

    def activate(self, stacked: StackedTranscoders, pre_activation: Features, l0: float) -> Features:
        """Activations, with the gradient that the objective wants; `l0` is the present target."""
        ...

    def penalty(
        self, stacked: StackedTranscoders, attempt: Attempt, l0: float, done: float
    ) -> Float[Tensor, " layer"]:
        """A term of each layer's loss beside its error, which is in units of its variance.

        `done` is the share of the run that lies behind.
        """
        ...

    def after_step(
        self, stacked: StackedTranscoders, active: Float[Tensor, "layer feature"], l0: float, done: float
    ) -> None:
        """A change of thresholds that no gradient makes; `active` is the share of positions by feature."""
        ...

    def of_layer(self, place: int) -> Objective:
        """The objective of one of its layers in the last stretch, without penalty or learned thresholds."""
        ...

    def saved_activation(self, stacked: StackedTranscoders, place: int) -> Activation:
        """The activation function that a saved layer has."""
        ...


def no_penalty(attempt: Attempt) -> Float[Tensor, " layer"]:
    """A term of 0 for each layer."""
    return attempt.residual.new_zeros(len(attempt.residual))
