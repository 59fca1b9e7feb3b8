"""One threshold a layer that is steered to the wanted number of active features.

It ends where BatchTopK ends ("BatchTopK Sparse Autoencoders", Bussmann et al. 2024,
https://arxiv.org/abs/2412.06410), without a top-k: after each step the threshold is multiplied by
`exp(rate * log(L0 / target))`. A feature that is active at more than a given share of positions gets a
threshold of its own, raised by the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.activation import Activation, JumpReLU, keep_above
from clew.dictionary.weights import HeldWeights
from clew.training.objectives.objective import Attempt, no_penalty
from clew.training.transcoders import Features, StackedTranscoders

RATE, HIGHEST_RATE = 0.01, 0.05
"""The power of the ratio of counted and wanted features that a step multiplies thresholds by, and its bound
in a short run."""
STEPS = 3
"""The rate of a short run times its steps: enough for thresholds to arrive, as 60 steps need."""

DENSITY_MEMORY = 0.05
"""The weight of a step's batch in the moving average of how often a feature is active."""


@dataclass
class SteeredThreshold:
    """Keeps pre-activations above a threshold; the gradient is that of the kept ones."""

    most_dense: float = 0.1
    """The largest share of positions at which a feature may be active."""
    density: Float[Tensor, "layer feature"] | None = None
    """The share of positions at which each feature was active lately."""
    raised: Float[Tensor, "layer feature"] | None = None
    """The factor of each feature's threshold over its layer's."""
    rate: float = RATE
    """The power of the ratio of counted and wanted features that a step multiplies thresholds by."""

    @classmethod
    def of_run(cls, most_dense: float, n_steps: int) -> SteeredThreshold:
        """The objective of a run of so many steps: a short one is steered harder, to arrive at all."""
        return cls(most_dense, rate=min(HIGHEST_RATE, max(RATE, STEPS / n_steps)))

    @property
    def learns_threshold(self) -> bool:
        return False

    @property
    def renews_dead(self) -> bool:
        return True

    def activate(self, stacked: StackedTranscoders, pre_activation: Features, l0: float) -> Features:
        return keep_above(pre_activation, stacked.threshold[:, None].to(pre_activation.dtype))

    def penalty(
        self, stacked: StackedTranscoders, attempt: Attempt, l0: float, done: float
    ) -> Float[Tensor, " layer"]:
        return no_penalty(attempt)

    @torch.no_grad()
    def after_step(
        self, stacked: StackedTranscoders, active: Float[Tensor, "layer feature"], l0: float, done: float
    ) -> None:
        if self.density is None or self.raised is None:
            self.density, self.raised = active.clone(), torch.ones_like(active)
        self.density += DENSITY_MEMORY * (active - self.density)
        stacked.threshold /= self.raised
        counted = active.sum(1, keepdim=True).clamp_min(l0 / 100)
        stacked.threshold *= (counted / l0) ** self.rate
        self.raised = (self.raised * (self.density / self.most_dense).clamp_min(0.5) ** self.rate).clamp_min(
            1.0
        )
        stacked.threshold *= self.raised

    def of_layer(self, place: int) -> SteeredThreshold:
        density, raised = (
            None if array is None else array[place : place + 1].clone()
            for array in (self.density, self.raised)
        )
        return SteeredThreshold(self.most_dense, density, raised)

    def saved_activation(self, stacked: StackedTranscoders, place: int) -> Activation:
        return JumpReLU(HeldWeights(stacked.threshold[place].detach().float().cpu()))
