"""What is counted for the features of one layer while texts go by; memory depends on no text's length."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from clew.errors import ClewError
from clew.index.creation.side import Seen, Side
from clew.index.storage.histogram import N_BINS, bins_of

GRID = 2.0**20
"""Sums are kept in whole steps of 1/GRID, so that they add up to the same in every order."""


@dataclass
class Tally:
    """The counts of one layer's features so far."""

    first_id: int
    """The id of the layer's first feature."""
    counts: Int64[Tensor, "feature bin"]
    total: Int64[Tensor, " feature"]
    """Sum of activations, in steps of 1/GRID."""
    minimum: Float32[Tensor, " feature"]
    maximum: Float32[Tensor, " feature"]
    high: Side
    low: Side | None
    """None where features are never negative."""
    changed: Bool[Tensor, " feature"]
    """Whose examples changed since the last checkpoint."""

    @classmethod
    def empty(cls, n_features: int, first_id: int, *, two_sided: bool) -> Tally:
        return cls(
            first_id=first_id,
            counts=torch.zeros(n_features, N_BINS, dtype=torch.int64),
            total=torch.zeros(n_features, dtype=torch.int64),
            minimum=torch.full((n_features,), torch.inf),
            maximum=torch.full((n_features,), -torch.inf),
            high=Side.empty(n_features, 1),
            low=Side.empty(n_features, -1) if two_sided else None,
            changed=torch.ones(n_features, dtype=torch.bool),
        )

    def to(self, device: torch.device) -> Tally:
        return Tally(
            first_id=self.first_id,
            counts=self.counts.to(device),
            total=self.total.to(device),
            minimum=self.minimum.to(device),
            maximum=self.maximum.to(device),
            high=self.high.to(device),
            low=None if self.low is None else self.low.to(device),
            changed=self.changed.to(device),
        )

    @property
    def sides(self) -> list[Side]:
        return [self.high] if self.low is None else [self.high, self.low]

    @torch.no_grad()
    def add(self, seen: Seen, activation: Float[Tensor, "window position feature"]) -> None:
        """Count a batch, window by window, which stays in a processor's cache.

        Raises `ClewError` for activations that are not finite.
        """
        texts = [
            text[seen.first : length] for text, length in zip(activation, seen.lengths.tolist(), strict=True)
        ]
        self._count(texts)
        for side in self.sides:
            found = [text.max(dim=0) if side.sign > 0 else text.min(dim=0) for text in texts]
            peak = torch.stack([each.values for each in found])
            position = torch.stack([each.indices for each in found]) + seen.first
            if side.sign > 0:
                torch.maximum(self.maximum, peak.amax(dim=0), out=self.maximum)
            else:
                torch.minimum(self.minimum, peak.amin(dim=0), out=self.minimum)
            self.changed[side.offer(seen, self.ids, activation, peak, position)] = True
        if self.low is None:
            for text in texts:
                torch.minimum(self.minimum, text.amin(dim=0), out=self.minimum)

    def _count(self, texts: list[Float32[Tensor, "position feature"]]) -> None:
        """Sums and histograms; a window's sum in float32, as precise as what it adds up."""
        summed = torch.stack([text.sum(dim=0) for text in texts]).sum(dim=0, dtype=torch.float64)
        if not bool(summed.isfinite().all()):
            raise ClewError(
                "Some activations are not finite, so they cannot be counted; load the model with --dtype "
                "float32."
            )
        self.total += (summed * GRID).round().long()
        n_features = len(summed)
        offset = torch.arange(n_features, dtype=torch.int32, device=summed.device) * N_BINS
        bins = torch.cat([(offset + bins_of(text.contiguous())).flatten() for text in texts])
        self.counts += torch.bincount(bins, minlength=n_features * N_BINS).view_as(self.counts)

    @property
    def ids(self) -> Int64[Tensor, " feature"]:
        return torch.arange(self.first_id, self.first_id + len(self.total), device=self.total.device)

    def joined(self, other: Tally) -> Tally:
        """What one tally would hold that had seen the windows of both."""
        return Tally(
            first_id=self.first_id,
            counts=self.counts + other.counts,
            total=self.total + other.total,
            minimum=torch.minimum(self.minimum, other.minimum),
            maximum=torch.maximum(self.maximum, other.maximum),
            high=self.high.joined(other.high),
            low=self.low.joined(other.low) if self.low and other.low else None,
            changed=torch.ones_like(self.changed),
        )
