"""Activation functions of transcoders, one class each.

All of them keep a pre-activation or set it to zero. So an active feature's activation equals its
pre-activation, which is linear in the stream at the read point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.weights import Weights

ByFeature: TypeAlias = Float[Tensor, "position feature"]


class Activation(Protocol):
    """An activation function of one layer."""

    title: ClassVar[str]
    """Its name, with its parameters in braces."""

    @property
    def name(self) -> str:
        """The name and the parameters, for people."""
        return self.title.format_map(vars(self))

    @property
    def kind(self) -> str:
        """The name without parameters."""
        return self.title.partition(" ")[0]

    def __call__(self, pre_activation: ByFeature) -> ByFeature: ...


@dataclass(frozen=True)
class ReLU(Activation):
    """Keeps positive pre-activations."""

    title = "ReLU"

    def __call__(self, pre_activation: ByFeature) -> ByFeature:
        return pre_activation.relu()


@dataclass(frozen=True)
class JumpReLU(Activation):
    """Keeps pre-activations above a feature's own threshold.

    "Jumping Ahead: Improving Reconstruction Fidelity with JumpReLU Sparse Autoencoders", Rajamanoharan et
    al. 2024, https://arxiv.org/abs/2407.14435
    """

    threshold: Weights
    """`[feature]`."""
    title = "JumpReLU"

    def __call__(self, pre_activation: ByFeature) -> ByFeature:
        return keep_above(pre_activation, self.threshold.read().to(pre_activation.device))


@dataclass(frozen=True)
class TopK(Activation):
    """Keeps the k largest pre-activations of each position, if they are positive.

    "Scaling and evaluating sparse autoencoders", Gao et al. 2024, https://arxiv.org/abs/2406.04093
    """

    k: int
    title = "TopK {k}"

    def __call__(self, pre_activation: ByFeature) -> ByFeature:
        largest = pre_activation.relu().topk(min(self.k, pre_activation.shape[-1]), dim=-1)
        return torch.zeros_like(pre_activation).scatter_(-1, largest.indices, largest.values)


@dataclass(frozen=True)
class BatchTopK(Activation):
    """Keeps pre-activations above one threshold, which training with a TopK over batches ends with.

    "BatchTopK Sparse Autoencoders", Bussmann et al. 2024, https://arxiv.org/abs/2412.06410
    """

    threshold: float
    title = "BatchTopK {threshold:.3g}"

    def __call__(self, pre_activation: ByFeature) -> ByFeature:
        return keep_above(pre_activation, max(self.threshold, 0.0))


def keep_above(pre_activation: ByFeature, threshold: Float[Tensor, " feature"] | float) -> ByFeature:
    """Pre-activations above a threshold, and zero in place of the others."""
    return torch.where(pre_activation > threshold, pre_activation, 0)
