"""JumpReLU: every feature learns a threshold, and a penalty on tanh of activations keeps features few.

With z a pre-activation, t its feature's threshold, a = z H(z - t), and K the rectangle of width and area 1:

    da/dt = -t/b K((z - t)/b)                   (straight through a step that has no gradient; b: bandwidth)
    penalty = c sum over features of tanh(4 |decoder| a)

"Jumping Ahead: Improving Reconstruction Fidelity with JumpReLU Sparse Autoencoders", Rajamanoharan et al.
2024, https://arxiv.org/abs/2407.14435. The penalty, its warm-up and the push on what dead features read:
"Circuits Updates - January 2025", Conerly et al.,
https://transformer-circuits.pub/2025/january-update/index.html. There c is a setting; here it is steered
until as many features are active as are wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.activation import Activation, keep_above
from clew.training.objectives.objective import Attempt
from clew.training.objectives.steered_threshold import SteeredThreshold
from clew.training.transcoders import Features, StackedTranscoders

STEEPNESS = 4.0
"""The factor of activations under the tanh."""

FIRST_PENALTY = 0.2
"""The penalty, in variances of a layer's output, when as many features are active as are wanted."""

ANSWER = 2.0
"""The power of the ratio of active and wanted features that the penalty is multiplied by at once."""

RATE = 0.005
"""The power of that ratio that a step multiplies the coefficient by for good, after the warm-up."""

DEAD_PUSH = 1e-6
"""The weight of how far below their thresholds dead features are."""

LEAST = 1e-3
"""The smallest threshold."""


@dataclass
class JumpReLUObjective:
    """Keeps pre-activations above learned thresholds."""

    most_dense: float = 0.1
    """The largest share of positions at which a feature may be active, in the last stretch."""
    bandwidth: float = 0.1
    warm_up: float = 0.3
    """The share of the run over which the penalty rises from nothing."""
    coefficient: Float[Tensor, " layer"] | None = None
    """The steered factor of the penalty, over its first one."""

    @property
    def learns_threshold(self) -> bool:
        return True

    @property
    def renews_dead(self) -> bool:
        return True

    def activate(self, stacked: StackedTranscoders, pre_activation: Features, l0: float) -> Features:
        threshold = stacked.threshold[:, None].to(pre_activation.dtype)
        return straight_through(pre_activation, threshold, self.bandwidth)

    def penalty(
        self, stacked: StackedTranscoders, attempt: Attempt, l0: float, done: float
    ) -> Float[Tensor, " layer"]:
        norm = stacked.decoder_norms().detach()  # kept at 1 after each step
        count = torch.tanh(STEEPNESS * norm[:, None].to(attempt.activation.dtype) * attempt.activation)
        count = count.sum(-1, dtype=torch.float32).mean(1)
        ratio = (attempt.activation > 0).sum((1, 2)) / attempt.activation.shape[1] / l0
        factor = FIRST_PENALTY / l0 * min(1.0, done / self.warm_up) * ratio**ANSWER
        if self.coefficient is not None:
            factor = factor * self.coefficient
        below = (stacked.threshold[:, None] - attempt.pre_activation).relu() * norm[:, None]
        push = (below * attempt.dead[:, None]).sum(-1, dtype=torch.float32).mean(1)
        return factor.detach() * count + DEAD_PUSH * push

    @torch.no_grad()
    def after_step(
        self, stacked: StackedTranscoders, active: Float[Tensor, "layer feature"], l0: float, done: float
    ) -> None:
        stacked.threshold.clamp_(min=LEAST)
        if self.coefficient is None:
            self.coefficient = active.new_ones(len(active))
        if done >= self.warm_up:
            self.coefficient = self.coefficient * (active.sum(1) / l0).clamp(0.1, 10.0) ** RATE

    def of_layer(self, place: int) -> SteeredThreshold:
        """The thresholds that were learned, all steered from there."""
        return SteeredThreshold(self.most_dense)

    def saved_activation(self, stacked: StackedTranscoders, place: int) -> Activation:
        return self.of_layer(place).saved_activation(stacked, place)


def straight_through(
    pre_activation: Features, threshold: Float[Tensor, "layer 1 feature"], bandwidth: float
) -> Features:
    """Pre-activations above thresholds, which have the gradient of the docstring of this file."""
    kept: Any = StraightThrough.apply(pre_activation, threshold, bandwidth)
    return kept


class StraightThrough(torch.autograd.Function):
    """JumpReLU with a gradient for its threshold."""

    @staticmethod
    def forward(ctx: Any, pre_activation: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(pre_activation, threshold)
        ctx.bandwidth = bandwidth
        return keep_above(pre_activation, threshold)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = gradients
        pre_activation, threshold = ctx.saved_tensors
        near = (pre_activation - threshold).abs() < ctx.bandwidth / 2
        dtype = torch.promote_types(gradient.dtype, torch.float32)
        by_threshold = torch.where(near, gradient, 0).sum(-2, keepdim=True, dtype=dtype)
        return (
            torch.where(pre_activation > threshold, gradient, 0),
            (-threshold / ctx.bandwidth * by_threshold).to(threshold.dtype),
            None,
        )
