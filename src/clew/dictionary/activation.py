"""What turns a transcoder's pre-activations into activations: one class each.

All of them keep a pre-activation as it is or make it zero, so an active feature's activation equals
its pre-activation, which is linear in what the feature reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.weights import Weights


class Activation(Protocol):
    """An activation function of one layer."""

    @property
    def name(self) -> str:
        """For people, parameters included."""
        ...

    def __call__(
        self, pre_activation: Float[Tensor, "position feature"]
    ) -> Float[Tensor, "position feature"]: ...


@dataclass(frozen=True)
class ReLU:
    """Keeps what is positive."""

    name = "ReLU"

    def __call__(
        self, pre_activation: Float[Tensor, "position feature"]
    ) -> Float[Tensor, "position feature"]:
        return pre_activation.relu()


@dataclass(frozen=True)
class JumpReLU:
    """Keeps what exceeds a feature's own threshold (Rajamanoharan et al. 2024)."""

    threshold: Weights
    """`[feature]`."""
    name = "JumpReLU"

    def __call__(
        self, pre_activation: Float[Tensor, "position feature"]
    ) -> Float[Tensor, "position feature"]:
        threshold = self.threshold.read().to(pre_activation.device)
        return torch.where(pre_activation > threshold, pre_activation, 0)


@dataclass(frozen=True)
class TopK:
    """Keeps the k largest of each position, where they are positive (Gao et al. 2024)."""

    k: int

    @property
    def name(self) -> str:
        return f"TopK {self.k}"

    def __call__(
        self, pre_activation: Float[Tensor, "position feature"]
    ) -> Float[Tensor, "position feature"]:
        largest = pre_activation.relu().topk(min(self.k, pre_activation.shape[-1]), dim=-1)
        return torch.zeros_like(pre_activation).scatter_(-1, largest.indices, largest.values)


@dataclass(frozen=True)
class BatchTopK:
    """Keeps what exceeds the one threshold that training with a batch-wide TopK ended with
    (Bussmann et al. 2024): at inference the batch must not matter."""

    threshold: float

    @property
    def name(self) -> str:
        return f"BatchTopK {self.threshold:.3g}"

    def __call__(
        self, pre_activation: Float[Tensor, "position feature"]
    ) -> Float[Tensor, "position feature"]:
        return torch.where(pre_activation > max(self.threshold, 0.0), pre_activation, 0)
