"""The choices of a training objective: how features become active, and what keeps them few."""

from __future__ import annotations

from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from clew.dictionary.activation import Activation
from clew.training.transcoders import Features, StackedTranscoders


class Objective(Protocol):
    """A way to keep features few. Layers are independent of each other."""

    def activate(self, stacked: StackedTranscoders, pre_activation: Features, l0: float) -> Features:
        """Activations, with the gradient that the objective wants; `l0` is the present target."""
        ...

    def penalty(
        self, stacked: StackedTranscoders, pre_activation: Features, activation: Features, l0: float
    ) -> Float[Tensor, " layer"]:
        """A term of each layer's loss beside its error, which is in units of its variance."""
        ...

    def after_step(
        self, stacked: StackedTranscoders, active: Float[Tensor, "layer feature"], l0: float
    ) -> None:
        """A change of thresholds that no gradient makes; `active` is the share of positions by feature."""
        ...

    def of_layer(self, place: int) -> Objective:
        """The objective of one layer of those that it was used for."""
        ...

    def saved_activation(self, stacked: StackedTranscoders, place: int) -> Activation:
        """The activation function that a saved layer has."""
        ...
