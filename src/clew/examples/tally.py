"""What is counted for the features of one layer while texts go by; memory depends on no text's length."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from clew.errors import ClewError
from clew.examples.best import Best, Columns, Details
from clew.examples.histogram import N_BINS, ZERO, bins_of
from clew.examples.windows import Batch

SHOWN = 10
"""Examples of each kind, and strongest tokens."""
LEVELS = 8
"""Half octaves below the strongest peak of which one example each is kept."""
DRAWN = 32
"""Windows in the sample from which frequent tokens are told."""
BEFORE, AFTER = 47, 16
"""Tokens around a peak whose activations are kept."""
SPAN = BEFORE + 1 + AFTER
GRID = 2.0**20
"""Sums are kept in whole steps of 1/GRID, so that they add up to the same in every order."""
LEVEL_SALT, DRAW_SALT = 1, 2
ROWS_AT_ONCE = 256
"""Positions whose bins are found together; more do not stay in a processor's cache."""

EXAMPLE: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
    "peak": (torch.float32, ()),
    "context": (torch.int64, ()),
    "position": (torch.int32, ()),
    "first": (torch.int32, ()),
    "count": (torch.int32, ()),
    "scale": (torch.float32, ()),
    "steps": (torch.int8, (SPAN,)),
}
"""An example's columns: its peak, the hash of what led there, its place; where the activations around
it begin, how many there are, and they themselves."""


@dataclass(frozen=True)
class Seen:
    """A batch of windows on the model's device."""

    window: Int64[Tensor, " window"]
    token_ids: Int64[Tensor, "window position"]
    lengths: Int64[Tensor, " window"]
    contexts: Int64[Tensor, "window position"]
    counted: Bool[Tensor, "window position"] | None
    """None where all positions from `first` on hold tokens of the text."""
    first: int

    @classmethod
    def of(cls, batch: Batch, first: int, device: torch.device) -> Seen:
        def moved(array: object) -> Tensor:
            return torch.as_tensor(array, device=device)

        return cls(
            window=moved(batch.window_ids),
            token_ids=moved(batch.token_ids).long(),
            lengths=moved(batch.lengths),
            contexts=moved(batch.contexts(first)),
            counted=None if batch.is_full else moved(batch.counted(first)),
            first=first,
        )


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
    top: Best
    bottom: Best | None
    """None where features are never negative."""
    levels: Best
    """Key: the half octave of the peak, modulo LEVELS. Value: that half octave, and a hash behind its
    point."""
    strongest: Best
    """Key: the token at the peak."""
    drawn: Best
    """Value: peak squared over an exponential variate, so that windows are drawn by their peak squared
    (Efraimidis and Spirakis 2006)."""
    changed: Bool[Tensor, " feature"]
    """Whose examples changed since the last checkpoint."""

    @classmethod
    def empty(cls, n_features: int, first_id: int, *, two_sided: bool) -> Tally:
        token = {"token": (torch.int32, ())}
        return cls(
            first_id=first_id,
            counts=torch.zeros(n_features, N_BINS, dtype=torch.int64),
            total=torch.zeros(n_features, dtype=torch.int64),
            minimum=torch.full((n_features,), torch.inf),
            maximum=torch.full((n_features,), -torch.inf),
            top=Best.empty(n_features, SHOWN, EXAMPLE),
            bottom=Best.empty(n_features, SHOWN, EXAMPLE) if two_sided else None,
            levels=Best.empty(n_features, LEVELS, EXAMPLE),
            strongest=Best.empty(n_features, SHOWN, token),
            drawn=Best.empty(n_features, DRAWN, token, repeats=False),
            changed=torch.ones(n_features, dtype=torch.bool),
        )

    def to(self, device: torch.device) -> Tally:
        return Tally(
            first_id=self.first_id,
            counts=self.counts.to(device),
            total=self.total.to(device),
            minimum=self.minimum.to(device),
            maximum=self.maximum.to(device),
            top=self.top.to(device),
            bottom=None if self.bottom is None else self.bottom.to(device),
            levels=self.levels.to(device),
            strongest=self.strongest.to(device),
            drawn=self.drawn.to(device),
            changed=self.changed.to(device),
        )

    @torch.no_grad()
    def add(self, seen: Seen, activation: Float[Tensor, "window position feature"]) -> None:
        """Count a batch; raises `ClewError` for activations that are not finite."""
        inside = activation[:, seen.first :]
        counted = None if seen.counted is None else seen.counted[:, seen.first :]
        rows = inside.flatten(0, 1) if counted is None else inside[counted]
        self._add_rows(rows)
        high = inside if counted is None else inside.masked_fill(~counted[..., None], -torch.inf)
        peak, position = high.max(dim=1)
        torch.maximum(self.maximum, peak.amax(dim=0), out=self.maximum)
        self._offer_tops(seen, activation, peak, position + seen.first)
        if self.bottom is None:
            torch.minimum(self.minimum, rows.amin(dim=0), out=self.minimum)
            return
        low = inside if counted is None else inside.masked_fill(~counted[..., None], torch.inf)
        pit, position = low.min(dim=1)
        torch.minimum(self.minimum, pit.amin(dim=0), out=self.minimum)
        self._offer_examples(self.bottom, seen, activation, -pit.double(), position + seen.first)

    def _add_rows(self, rows: Float32[Tensor, "row feature"]) -> None:
        n_features = rows.shape[1]
        summed = rows.sum(dim=0, dtype=torch.float64)
        if not bool(summed.isfinite().all()):
            raise ClewError(
                "Some activations are not finite, so they cannot be counted; load the model with --dtype "
                "float32."
            )
        self.total += (summed * GRID).round().long()
        bins = torch.empty(rows.shape, dtype=torch.int32, device=rows.device)
        offset = torch.arange(n_features, dtype=torch.int32, device=rows.device) * N_BINS
        step = ROWS_AT_ONCE if rows.device.type == "cpu" else max(1, len(rows))
        for begin in range(0, len(rows), step):
            some = slice(begin, begin + step)
            torch.add(offset, bins_of(rows[some].contiguous()), out=bins[some])
        self.counts += torch.bincount(bins.flatten(), minlength=n_features * N_BINS).view_as(self.counts)

    def _offer_tops(self, seen: Seen, activation: Tensor, peak: Tensor, position: Tensor) -> None:
        """Windows by their highest activation, where it is above 0."""
        value = peak.double()
        self._offer_examples(self.top, seen, activation, value, position)
        level = (bins_of(peak) - ZERO).clamp(min=0).long()
        chance = chance_of(seen.window[:, None], self.ids, LEVEL_SALT)
        self.changed[
            self.levels.offer(
                torch.where(level > 0, level + chance, 0.0),
                level % LEVELS,
                seen.window,
                self._details(seen, activation, position),
            )
        ] = True
        token = seen.token_ids.gather(1, position)

        def its_token(feature: Tensor, place: Tensor) -> Columns:
            return {"token": token[place, feature].int()}

        self.strongest.offer(value, token, seen.window, its_token)
        odds = value.clamp(min=0).square() / -chance_of(seen.window[:, None], self.ids, DRAW_SALT).log()
        self.drawn.offer(odds, odds.view(torch.int64), seen.window, its_token)

    def _offer_examples(
        self,
        best: Best,
        seen: Seen,
        activation: Tensor,
        value: Float64[Tensor, "window feature"],
        position: Tensor,
    ) -> None:
        key = seen.contexts.gather(1, position)
        changed = best.offer(value, key, seen.window, self._details(seen, activation, position))
        self.changed[changed] = True

    def _details(self, seen: Seen, activation: Tensor, position: Tensor) -> Details:
        """The columns of an example, for those alone that are kept."""

        def details(feature: Tensor, place: Tensor) -> Columns:
            peak = position[place, feature]
            first = (peak - BEFORE).clamp(min=seen.first)
            count = torch.minimum(peak + AFTER + 1, seen.lengths[place]) - first
            offset = torch.arange(SPAN, device=peak.device)
            where = (first[:, None] + offset).clamp(max=activation.shape[1] - 1)
            found = activation[place[:, None], where, feature[:, None]]
            found = found.masked_fill(offset >= count[:, None], 0)
            scale = found.abs().amax(dim=1)
            steps = (found / torch.where(scale > 0, scale, 1)[:, None] * 127).round()
            return {
                "peak": activation[place, peak, feature],
                "context": seen.contexts[place, peak],
                "position": peak.int(),
                "first": first.int(),
                "count": count.int(),
                "scale": scale,
                "steps": steps.to(torch.int8),
            }

        return details

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
            top=self.top.joined(other.top),
            bottom=self.bottom.joined(other.bottom) if self.bottom and other.bottom else None,
            levels=self.levels.joined(other.levels),
            strongest=self.strongest.joined(other.strongest),
            drawn=self.drawn.joined(other.drawn),
            changed=torch.ones_like(self.changed),
        )


def chance_of(window: Tensor, feature: Tensor, salt: int) -> Tensor:
    """A number between 0 and 1 for each pair, the same on every run: 40 bits of a hash (splitmix64)."""
    number = window * 0x2545F4914F6CDD1D + feature * 0x27D4EB2F165667C5 + salt * 0x165667B19E3779F9
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        number = (number ^ ((number >> shift) & ((1 << (64 - shift)) - 1))) * factor
    number = number ^ ((number >> 31) & ((1 << 33) - 1))
    return (((number >> 24) & ((1 << 40) - 1)).double() + 0.5) / 2.0**40
