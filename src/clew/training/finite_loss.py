"""Losses that are not finite stop a run before they reach its weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor


class NotFiniteLoss(Exception):
    """A loss is infinite or no number."""

    def __init__(self, place: int | None) -> None:
        """Name a layer by its place among those that are trained; None for the loss of all together."""
        super().__init__(place)
        self.place = place


def refuse_not_finite(losses: Float[Tensor, " layer"], places: Sequence[int]) -> None:
    """Raise `NotFiniteLoss` for the first loss that is not finite, with its layer's place among all.

    On a GPU nothing is looked at, as each look would make it wait.
    """
    if losses.device.type != "cuda" and not bool(losses.isfinite().all()):
        raise NotFiniteLoss(places[first_not_finite(losses)])


def first_not_finite(losses: Float[Tensor, " layer"]) -> int:
    return int((~losses.isfinite()).nonzero()[0])


def all_finite(arrays: Iterable[Tensor]) -> bool:
    """True if no weight is infinite or no number."""
    return all(bool(torch.isfinite(array).all()) for array in arrays)
