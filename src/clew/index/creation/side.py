"""What is kept of one sign of a layer's activations: the strongest windows, levels below them, tokens."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Int64
from torch import Tensor

from clew.index.creation.top_k import Best, Columns, Details
from clew.index.creation.windows import Batch
from clew.index.storage.histogram import ZERO, bins_of

SHOWN = 10
"""Examples of each kind, and strongest tokens."""
LEVELS = 8
"""Half octaves below the strongest peak of which one example each is kept."""
DRAWN = 32
"""Windows in the sample from which frequent tokens are told."""
BEFORE, AFTER = 47, 16
"""Tokens around a peak whose activations are kept."""
SPAN = BEFORE + 1 + AFTER
LEVEL_SALT, DRAW_SALT = 1, 2

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
    first: int
    """The first position that counts: behind the sink, where there is one."""

    @classmethod
    def of(cls, batch: Batch, first: int, device: torch.device) -> Seen:
        def moved(array: object) -> Tensor:
            return torch.as_tensor(array, device=device)

        return cls(
            window=moved(batch.window_ids),
            token_ids=moved(batch.token_ids).long(),
            lengths=moved(batch.lengths),
            contexts=moved(batch.contexts(first)),
            first=first,
        )


@dataclass
class Side:
    """The windows whose strongest activation of one sign is the strongest, ...; values are magnitudes."""

    sign: int
    """1, or -1 for the most negative."""
    examples: Best
    levels: Best
    """Key: the half octave of the peak, modulo LEVELS. Value: that half octave, and a hash behind its
    point."""
    strongest: Best
    """Key: the token at the peak."""
    drawn: Best
    """Value: peak squared over an exponential variate, so that windows are drawn by their peak squared
    (Efraimidis and Spirakis 2006)."""

    @classmethod
    def empty(cls, n_features: int, sign: int) -> Side:
        token = {"token": (torch.int32, ())}
        return cls(
            sign=sign,
            examples=Best.empty(n_features, SHOWN, EXAMPLE),
            levels=Best.empty(n_features, LEVELS, EXAMPLE),
            strongest=Best.empty(n_features, SHOWN, token),
            drawn=Best.empty(n_features, DRAWN, token, repeats=False),
        )

    def to(self, device: torch.device) -> Side:
        return Side(self.sign, *(best.to(device) for best in self._all))

    def joined(self, other: Side) -> Side:
        pairs = zip(self._all, other._all, strict=True)
        return Side(self.sign, *(one.joined(another) for one, another in pairs))

    @property
    def _all(self) -> list[Best]:
        return [getattr(self, each.name) for each in fields(self)[1:]]

    def offer(
        self,
        seen: Seen,
        ids: Int64[Tensor, " feature"],
        activation: Tensor,
        peak: Tensor,
        position: Tensor,
    ) -> Int64[Tensor, " changed"]:
        """Take windows by their peaks (`[window, feature]`, with where they are), where these have the sign.

        Returns the features whose examples changed; some twice.
        """
        magnitude = peak * self.sign
        value = magnitude.double()
        details = _details(seen, activation, position)
        key = seen.contexts.gather(1, position)
        changed = self.examples.offer(value, key, seen.window, details)
        level = (bins_of(magnitude) - ZERO).clamp(min=0).long()
        chance = chance_of(seen.window[:, None], ids, LEVEL_SALT)
        levels = torch.where(level > 0, level + chance, 0.0)
        also = self.levels.offer(levels, level % LEVELS, seen.window, details)
        token = seen.token_ids.gather(1, position)

        def its_token(feature: Tensor, place: Tensor) -> Columns:
            return {"token": token[place, feature].int()}

        self.strongest.offer(value, token, seen.window, its_token)
        odds = value.clamp(min=0).square() / -chance_of(seen.window[:, None], ids, DRAW_SALT).log()
        self.drawn.offer(odds, odds.view(torch.int64), seen.window, its_token)
        return torch.cat([changed, also])


def _details(seen: Seen, activation: Tensor, position: Tensor) -> Details:
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


def chance_of(window: Tensor, feature: Tensor, salt: int) -> Tensor:
    """A number between 0 and 1 for each pair, the same on every run: 40 bits of a hash (splitmix64)."""
    number = window * 0x2545F4914F6CDD1D + feature * 0x27D4EB2F165667C5 + salt * 0x165667B19E3779F9
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        number = (number ^ ((number >> shift) & ((1 << (64 - shift)) - 1))) * factor
    number = number ^ ((number >> 31) & ((1 << 33) - 1))
    return (((number >> 24) & ((1 << 40) - 1)).double() + 0.5) / 2.0**40
