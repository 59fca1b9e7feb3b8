"""BatchTopK: the largest pre-activations of a whole batch are kept, as many as are wanted on average.

Its saved form is a JumpReLU, whose threshold is the moving average of a batch's smallest kept activation.

"BatchTopK Sparse Autoencoders", Bussmann et al. 2024, https://arxiv.org/abs/2412.06410
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.activation import Activation
from clew.training.objectives.dead_feature_loss import dead_feature_loss
from clew.training.objectives.objective import Attempt, no_penalty
from clew.training.objectives.steered_threshold import SteeredThreshold
from clew.training.transcoders import Features, StackedTranscoders

THRESHOLD_MEMORY = 0.01
"""The weight of a batch in the moving average of its smallest kept activation."""


@dataclass
class BatchTopKObjective:
    """Keeps a layer's largest positive pre-activations in a batch; the gradient is that of the kept ones."""

    most_dense: float = 0.1
    """The largest share of positions at which a feature may be active, in the last stretch."""
    auxiliary: float = 1 / 32
    """The weight of the loss on dead features."""
    smallest: Float[Tensor, " layer"] | None = None
    """The smallest kept activation of the last batch; infinite if none was kept."""
    measured: bool = False
    """True when thresholds hold a moving average."""

    @property
    def learns_threshold(self) -> bool:
        return False

    @property
    def renews_dead(self) -> bool:
        return self.auxiliary == 0

    def activate(self, stacked: StackedTranscoders, pre_activation: Features, l0: float) -> Features:
        with torch.no_grad():
            count = min(max(1, round(l0 * pre_activation.shape[1])), pre_activation[0].numel())
            kept = torch.stack([layer.flatten().topk(count).values for layer in pre_activation])
            self.smallest = kept.where(kept > 0, torch.inf).amin(1)
        return torch.where(pre_activation >= self.smallest[:, None, None], pre_activation, 0)

    def penalty(
        self, stacked: StackedTranscoders, attempt: Attempt, l0: float, done: float
    ) -> Float[Tensor, " layer"]:
        if self.renews_dead:
            return no_penalty(attempt)
        return self.auxiliary * dead_feature_loss(stacked, attempt)

    @torch.no_grad()
    def after_step(
        self, stacked: StackedTranscoders, active: Float[Tensor, "layer feature"], l0: float, done: float
    ) -> None:
        if self.smallest is None:
            return
        smallest = self.smallest[:, None].to(stacked.threshold.dtype)
        memory = THRESHOLD_MEMORY if self.measured else 1.0
        stacked.threshold.lerp_(torch.where(smallest.isfinite(), smallest, stacked.threshold), memory)
        self.measured = True

    def of_layer(self, place: int) -> SteeredThreshold:
        """The threshold that was measured, steered from there."""
        return SteeredThreshold(self.most_dense)

    def saved_activation(self, stacked: StackedTranscoders, place: int) -> Activation:
        return self.of_layer(place).saved_activation(stacked, place)
