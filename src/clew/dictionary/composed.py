"""Arrays made of other arrays without copying them: turned round, scaled, stacked."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.dictionary.weights import HeldWeights, StoredWeights, Weights


def turned(weights: Weights) -> Weights:
    """A matrix with rows and columns exchanged; one on disk stays there."""
    if isinstance(weights, StoredWeights):
        return replace(weights, shape=weights.shape[::-1], transposed=not weights.transposed)
    return HeldWeights(weights.read().T if not isinstance(weights, HeldWeights) else weights.tensor.T)


@dataclass(frozen=True)
class ScaledWeights:
    """An array times a number, multiplied whenever it is read."""

    weights: Weights
    factor: float

    @property
    def shape(self) -> tuple[int, ...]:
        return self.weights.shape

    @property
    def n_bytes(self) -> int:
        return self.weights.n_bytes

    def read(self) -> Float[Tensor, "..."]:
        return self.weights.read() * self.factor

    def rows(self, index: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        return self.weights.rows(index) * self.factor


@dataclass(frozen=True)
class StackedWeights:
    """Matrices `[row, width]` side by side: an array `[row, matrix, width]`."""

    matrices: tuple[Weights, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        n_rows, width = self.matrices[0].shape
        return (n_rows, len(self.matrices), width)

    @property
    def n_bytes(self) -> int:
        return sum(matrix.n_bytes for matrix in self.matrices)

    def read(self) -> Float[Tensor, "..."]:
        return torch.stack([matrix.read() for matrix in self.matrices], dim=1)

    def rows(self, index: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        found = torch.empty(len(index), self.shape[-1])
        which = index.cpu() % len(self.matrices)
        for number, matrix in enumerate(self.matrices):
            chosen = torch.nonzero(which == number).squeeze(1)
            if len(chosen):
                found[chosen] = matrix.rows(index.cpu()[chosen] // len(self.matrices))
        return found
