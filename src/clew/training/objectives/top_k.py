"""TopK: the k largest positive pre-activations of each position are kept.

"Scaling and evaluating sparse autoencoders", Gao et al. 2024, https://arxiv.org/abs/2406.04093
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from clew.dictionary.activation import Activation, TopK
from clew.training.objectives.dead_feature_loss import dead_feature_loss
from clew.training.objectives.objective import Attempt, no_penalty
from clew.training.transcoders import Features, StackedTranscoders


@dataclass
class TopKObjective:
    """Keeps the wanted number of features at every position; the gradient is that of the kept ones."""

    k: int
    """The number that a saved layer keeps."""
    auxiliary: float = 1 / 32
    """The weight of the loss on dead features."""

    @property
    def learns_threshold(self) -> bool:
        return False

    @property
    def renews_dead(self) -> bool:
        return self.auxiliary == 0

    def activate(self, stacked: StackedTranscoders, pre_activation: Features, l0: float) -> Features:
        return TopK(max(1, round(l0)))(pre_activation)

    def penalty(
        self, stacked: StackedTranscoders, attempt: Attempt, l0: float, done: float
    ) -> Float[Tensor, " layer"]:
        if self.renews_dead:
            return no_penalty(attempt)
        return self.auxiliary * dead_feature_loss(stacked, attempt)

    def after_step(
        self, stacked: StackedTranscoders, active: Float[Tensor, "layer feature"], l0: float, done: float
    ) -> None:
        pass

    def of_layer(self, place: int) -> TopKObjective:
        return TopKObjective(self.k, self.auxiliary)

    def saved_activation(self, stacked: StackedTranscoders, place: int) -> Activation:
        return TopK(self.k)
