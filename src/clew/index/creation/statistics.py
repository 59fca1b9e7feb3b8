"""Statistics of one layer's features: counted text by text, in memory that does not grow with the texts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from clew.errors import ClewError
from clew.index.creation.top_k import Columns, ColumnsOf, TopEntries
from clew.index.creation.windows import Batch
from clew.index.storage.histogram import N_BINS, ZERO, bins_of

SHOWN = 10
"""Examples of each kind, and strongest tokens."""
LEVELS = 8
"""Half octaves below the strongest peak; one example of each is kept."""
SAMPLED = 32
"""Windows in the sample that gives the frequent tokens."""
BEFORE, AFTER = 47, 16
"""Tokens around a peak whose activations are kept."""
SPAN = BEFORE + 1 + AFTER
CONTEXT = 8
"""Tokens up to the peak that tell one example from another; later tokens cannot change its activation."""
GRID = 2.0**20
"""Sums are whole numbers of steps of 1/GRID, so that they add up to the same in every order."""
LEVEL_SALT, SAMPLE_SALT = 1, 2

EXAMPLE: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
    "peak": (torch.float32, ()),
    "context": (torch.int64, ()),
    "position": (torch.int32, ()),
    "first": (torch.int32, ()),
    "count": (torch.int32, ()),
    "scale": (torch.float32, ()),
    "steps": (torch.int8, (SPAN,)),
}
"""The columns of an example: its peak, the hash of the tokens up to it, its position; then the first position
whose activation is kept, how many are kept, and the activations as steps of a scale."""


@dataclass(frozen=True)
class DeviceBatch:
    """A batch of windows on the model's device."""

    window: Int64[Tensor, " window"]
    token_ids: Int64[Tensor, "window position"]
    lengths: Int64[Tensor, " window"]
    contexts: Int64[Tensor, "window position"]
    """A hash of the `CONTEXT` tokens that end at each position, without the sink."""
    first: int
    """The first position that counts: 1 behind a sink, else 0."""

    @classmethod
    def of(cls, batch: Batch, first: int, device: torch.device) -> DeviceBatch:
        token_ids = torch.as_tensor(batch.token_ids, device=device).long()
        return cls(
            window=torch.as_tensor(batch.window_ids, device=device),
            token_ids=token_ids,
            lengths=torch.as_tensor(batch.lengths, device=device),
            contexts=context_hashes(token_ids, first),
            first=first,
        )


@dataclass
class SideStatistics:
    """The strongest windows of one sign, examples at levels below them, and the tokens at peaks.

    Values are magnitudes of peaks; each window has one peak for a feature.
    """

    sign: int
    """1 for the highest activations, -1 for the lowest."""
    examples: TopEntries
    levels: TopEntries
    """Key: the half octave of the peak, modulo LEVELS. Value: that half octave plus a hash below 1."""
    strongest: TopEntries
    """Key: the token at the peak."""
    sample: TopEntries
    """Value: the squared peak over an exponential variate. So windows are drawn with weights of their squared
    peaks ("Weighted random sampling with a reservoir", Efraimidis and Spirakis 2006,
    https://doi.org/10.1016/j.ipl.2005.11.003)."""

    @classmethod
    def empty(cls, n_features: int, sign: int) -> SideStatistics:
        token = {"token": (torch.int32, ())}
        return cls(
            sign=sign,
            examples=TopEntries.empty(n_features, SHOWN, EXAMPLE),
            levels=TopEntries.empty(n_features, LEVELS, EXAMPLE),
            strongest=TopEntries.empty(n_features, SHOWN, token),
            sample=TopEntries.empty(n_features, SAMPLED, token, repeats=False),
        )

    def to(self, device: torch.device) -> SideStatistics:
        return SideStatistics(self.sign, *(top.to(device) for top in self._all))

    def joined(self, other: SideStatistics) -> SideStatistics:
        pairs = zip(self._all, other._all, strict=True)
        return SideStatistics(self.sign, *(one.joined(another) for one, another in pairs))

    @property
    def _all(self) -> list[TopEntries]:
        return [getattr(self, each.name) for each in fields(self)[1:]]

    def add(
        self,
        batch: DeviceBatch,
        ids: Int64[Tensor, " feature"],
        activation: Float[Tensor, "window position feature"],
        peak: Float[Tensor, "window feature"],
        position: Int64[Tensor, "window feature"],
    ) -> Int64[Tensor, " changed"]:
        """Offer windows by their peaks; returns the features whose examples changed, some of them twice."""
        magnitude = peak * self.sign
        value = magnitude.double()
        columns_of = _example_columns(batch, activation, position)
        changed = self.examples.offer(value, batch.contexts.gather(1, position), batch.window, columns_of)
        level = (bins_of(magnitude) - ZERO).clamp(min=0).long()
        levels = torch.where(level > 0, level + hashed_share(batch.window[:, None], ids, LEVEL_SALT), 0.0)
        also = self.levels.offer(levels, level % LEVELS, batch.window, columns_of)
        token = batch.token_ids.gather(1, position)

        def token_of(feature: Tensor, row: Tensor) -> Columns:
            return {"token": token[row, feature].int()}

        self.strongest.offer(value, token, batch.window, token_of)
        variate = -hashed_share(batch.window[:, None], ids, SAMPLE_SALT).log()
        odds = value.clamp(min=0).square() / variate
        self.sample.offer(odds, odds.view(torch.int64), batch.window, token_of)
        return torch.cat([changed, also])


@dataclass
class LayerStatistics:
    """Statistics of one layer's features so far."""

    first_id: int
    """The id of the layer's first feature."""
    counts: Int64[Tensor, "feature bin"]
    total: Int64[Tensor, " feature"]
    """Sum of activations, in steps of 1/GRID."""
    minimum: Float32[Tensor, " feature"]
    maximum: Float32[Tensor, " feature"]
    high: SideStatistics
    low: SideStatistics | None
    """None where features are never negative."""
    changed: Bool[Tensor, " feature"]
    """Features whose examples changed since the last checkpoint."""

    @classmethod
    def empty(cls, n_features: int, first_id: int, *, two_sided: bool) -> LayerStatistics:
        return cls(
            first_id=first_id,
            counts=torch.zeros(n_features, N_BINS, dtype=torch.int64),
            total=torch.zeros(n_features, dtype=torch.int64),
            minimum=torch.full((n_features,), torch.inf),
            maximum=torch.full((n_features,), -torch.inf),
            high=SideStatistics.empty(n_features, 1),
            low=SideStatistics.empty(n_features, -1) if two_sided else None,
            changed=torch.ones(n_features, dtype=torch.bool),
        )

    def to(self, device: torch.device) -> LayerStatistics:
        moved: dict[str, Any] = {
            each.name: value.to(device)
            for each in fields(self)
            if isinstance(value := getattr(self, each.name), Tensor | SideStatistics)
        }
        return LayerStatistics(**({"first_id": self.first_id, "low": None} | moved))

    @property
    def sides(self) -> list[SideStatistics]:
        return [self.high] if self.low is None else [self.high, self.low]

    @property
    def ids(self) -> Int64[Tensor, " feature"]:
        return torch.arange(self.first_id, self.first_id + len(self.total), device=self.total.device)

    @torch.no_grad()
    def add(self, batch: DeviceBatch, activation: Float[Tensor, "window position feature"]) -> None:
        """Count a batch window by window, since one window fits a processor's cache.

        Raises `ClewError` for activations that are not finite.
        """
        texts = [
            text[batch.first : length]
            for text, length in zip(activation, batch.lengths.tolist(), strict=True)
        ]
        self._count(texts)
        for side in self.sides:
            peaks = [text.max(dim=0) if side.sign > 0 else text.min(dim=0) for text in texts]
            peak = torch.stack([each.values for each in peaks])
            position = torch.stack([each.indices for each in peaks]) + batch.first
            if side.sign > 0:
                torch.maximum(self.maximum, peak.amax(dim=0), out=self.maximum)
            else:
                torch.minimum(self.minimum, peak.amin(dim=0), out=self.minimum)
            self.changed[side.add(batch, self.ids, activation, peak, position)] = True
        if self.low is None:
            for text in texts:
                torch.minimum(self.minimum, text.amin(dim=0), out=self.minimum)

    def _count(self, texts: list[Float32[Tensor, "position feature"]]) -> None:
        """Add to sums and histograms; a window is summed in float32, as precise as its activations."""
        sums = torch.stack([text.sum(dim=0) for text in texts]).sum(dim=0, dtype=torch.float64)
        if not bool(sums.isfinite().all()):
            raise ClewError(
                "Some activations are not finite and cannot be counted; load the model with --dtype float32."
            )
        self.total += (sums * GRID).round().long()
        n_features = len(sums)
        offset = torch.arange(n_features, dtype=torch.int32, device=sums.device) * N_BINS
        bins = torch.cat([(offset + bins_of(text.contiguous())).flatten() for text in texts])
        self.counts += torch.bincount(bins, minlength=n_features * N_BINS).view_as(self.counts)

    def joined(self, other: LayerStatistics) -> LayerStatistics:
        """The statistics of the windows of both; no window may be in both."""
        return LayerStatistics(
            first_id=self.first_id,
            counts=self.counts + other.counts,
            total=self.total + other.total,
            minimum=torch.minimum(self.minimum, other.minimum),
            maximum=torch.maximum(self.maximum, other.maximum),
            high=self.high.joined(other.high),
            low=self.low.joined(other.low) if self.low and other.low else None,
            changed=torch.ones_like(self.changed),
        )


def _example_columns(
    batch: DeviceBatch,
    activation: Float[Tensor, "window position feature"],
    position: Int64[Tensor, "window feature"],
) -> ColumnsOf:
    """A function that cuts out examples, called for those alone that are kept."""

    def columns_of(feature: Tensor, row: Tensor) -> Columns:
        peak = position[row, feature]
        first = (peak - BEFORE).clamp(min=batch.first)
        count = torch.minimum(peak + AFTER + 1, batch.lengths[row]) - first
        offset = torch.arange(SPAN, device=peak.device)
        positions = (first[:, None] + offset).clamp(max=activation.shape[1] - 1)
        around = activation[row[:, None], positions, feature[:, None]]
        around = around.masked_fill(offset >= count[:, None], 0)
        scale = around.abs().amax(dim=1)
        steps = (around / torch.where(scale > 0, scale, 1)[:, None] * 127).round()
        return {
            "peak": activation[row, peak, feature],
            "context": batch.contexts[row, peak],
            "position": peak.int(),
            "first": first.int(),
            "count": count.int(),
            "scale": scale,
            "steps": steps.to(torch.int8),
        }

    return columns_of


def context_hashes(
    token_ids: Int64[Tensor, "window position"], first: int
) -> Int64[Tensor, "window position"]:
    """For each position a hash of the `CONTEXT` tokens that end there, from position `first` on."""
    hashes = torch.zeros_like(token_ids)
    for back in range(CONTEXT):
        shifted = torch.zeros_like(hashes)
        if first + back < token_ids.shape[1]:
            shifted[:, first + back :] = token_ids[:, first : token_ids.shape[1] - back] + 1
        hashes = _mixed((hashes ^ shifted) - 0x61C8864680B583EB)
    return _shifted(hashes, 1)


def hashed_share(
    window: Int64[Tensor, "..."], feature: Int64[Tensor, "..."], salt: int
) -> Float64[Tensor, "..."]:
    """A number between 0 and 1 for each window and feature, the same on every run: 40 bits of a hash."""
    number = window * 0x2545F4914F6CDD1D + feature * 0x27D4EB2F165667C5 + salt * 0x165667B19E3779F9
    return ((_shifted(_mixed(number), 24) & ((1 << 40) - 1)).double() + 0.5) / 2.0**40


def _mixed(number: Int64[Tensor, "..."]) -> Int64[Tensor, "..."]:
    """Numbers whose every bit depends on all 64 bits of `number` (the finalizer of splitmix64)."""
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        number = (number ^ _shifted(number, shift)) * factor
    return number ^ _shifted(number, 31)


def _shifted(number: Int64[Tensor, "..."], bits: int) -> Int64[Tensor, "..."]:
    """A shift to the right that fills with zeros, as of unsigned numbers."""
    return (number >> bits) & ((1 << (64 - bits)) - 1)
