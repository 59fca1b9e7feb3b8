"""Changes of features at given places that differ from one column of a pass to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from clew.intervention.prediction import Place


@dataclass(frozen=True)
class SingleAblations:
    """Features of one layer set to zero at one position each, each in a column of its own."""

    index: Int[Tensor, " edit"]
    position: Int[Tensor, " edit"]
    column: Int[Tensor, " edit"]

    def change(
        self, activation: Float[Tensor, "column position edit"], start: int = 0
    ) -> Float[Tensor, "column position edit"]:
        """What to add to the activations of these features, from position `start` on."""
        changed = torch.zeros_like(activation)
        here = torch.nonzero((self.position >= start) & (self.position < start + activation.shape[1]))[:, 0]
        at = self.column[here], self.position[here] - start, here
        changed[at] = -activation[at]
        return changed

    def where(self, start: int, count: int) -> Bool[Tensor, "edit position"]:
        """Which positions from `start` on each edit changes."""
        return self.position[:, None] == torch.arange(start, start + count)


def one_in_each_column(places: Sequence[Place]) -> dict[int, SingleAblations]:
    """Ablations by layer, the first place in column 1 and so on: column 0 stays as it was."""
    by_layer: dict[int, list[tuple[int, int, int]]] = {}
    for column, (layer, position, index) in enumerate(places, start=1):
        by_layer.setdefault(layer, []).append((index, position, column))
    return {
        layer: SingleAblations(*torch.tensor(rows).T.unbind()) for layer, rows in sorted(by_layer.items())
    }
