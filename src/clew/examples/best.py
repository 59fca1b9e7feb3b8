"""The few best of many, for every feature at once: exact, whatever the order they come in.

An entry has a value (above 0), a key and a window. Of entries with one key only the best counts, and of two
with one value the one of the earlier window. So the best k of two sets follow from the best k of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

Columns = dict[str, Tensor]
"""What else an entry has, by name: `[feature, entry, ...]`."""
Details = Callable[[Int64[Tensor, " entry"], Int64[Tensor, " entry"]], Columns]
"""Columns of some entries, by feature and by place among the windows offered."""


@dataclass
class Best:
    """The best k entries of each feature, the best first; an empty one has value 0 and window -1."""

    value: Float64[Tensor, "feature k"]
    key: Int64[Tensor, "feature k"]
    window: Int64[Tensor, "feature k"]
    columns: Columns

    @classmethod
    def empty(cls, n_features: int, k: int, columns: dict[str, tuple[torch.dtype, tuple[int, ...]]]) -> Best:
        """Room for k entries of each feature, with columns of these types and shapes."""
        return cls(
            value=torch.zeros(n_features, k, dtype=torch.float64),
            key=torch.full((n_features, k), -1),
            window=torch.full((n_features, k), -1),
            columns={
                name: torch.zeros(n_features, k, *shape, dtype=kind)
                for name, (kind, shape) in columns.items()
            },
        )

    def to(self, device: torch.device) -> Best:
        moved = {name: column.to(device) for name, column in self.columns.items()}
        return Best(self.value.to(device), self.key.to(device), self.window.to(device), moved)

    def offer(
        self,
        value: Float64[Tensor, "window feature"],
        key: Int64[Tensor, "window feature"],
        window: Int64[Tensor, " window"],
        details: Details,
    ) -> Int64[Tensor, " changed"]:
        """Take what is good enough of one entry for each window and feature; returns the features changed."""
        n_windows, k = len(value), self.value.shape[1]
        place, feature = torch.nonzero((value >= self.value[:, -1]) & (value > 0), as_tuple=True)
        offered, keys = value[place, feature], key[place, feature]
        keep = ~self._already(feature, offered, keys, window[place])
        place, feature, offered, keys = place[keep], feature[keep], offered[keep], keys[keep]
        if not len(place):
            return feature
        changed, row = torch.unique(feature, return_inverse=True)
        new_value = self.value.new_zeros(len(changed), n_windows)
        new_value[row, place] = offered
        new_key = self.key.new_full((len(changed), n_windows), -1)
        new_key[row, place] = keys
        kept = distinct_best(
            all_values := torch.cat([self.value[changed], new_value], dim=1),
            all_keys := torch.cat([self.key[changed], new_key], dim=1),
            all_windows := torch.cat([self.window[changed], window.expand(len(changed), -1)], dim=1),
            k,
        )
        values = _at(all_values, kept)
        filled = values > 0
        self.value[changed] = values
        self.key[changed] = torch.where(filled, _at(all_keys, kept), -1)
        self.window[changed] = torch.where(filled, _at(all_windows, kept), -1)
        self._rearrange(changed, kept, filled, details)
        return changed

    def _already(self, feature: Tensor, value: Tensor, key: Tensor, window: Tensor) -> Bool[Tensor, " entry"]:
        """Whether the same key is there with a value that goes before."""
        known = self.value[feature]
        before = (known > value[:, None]) | (
            (known == value[:, None]) & (self.window[feature] <= window[:, None])
        )
        return ((self.key[feature] == key[:, None]) & before).any(dim=1)

    def _rearrange(self, changed: Tensor, kept: Tensor, filled: Tensor, details: Details) -> None:
        """Columns follow their entries; those of new entries are asked for."""
        k = self.value.shape[1]
        row, rank = torch.nonzero((kept >= k) & filled, as_tuple=True)
        fresh = details(changed[row], kept[row, rank] - k)
        for name, column in self.columns.items():
            moved = _at(column[changed], kept.clamp(max=k - 1))
            moved[row, rank] = fresh[name]
            column[changed] = moved

    def joined(self, other: Best) -> Best:
        """The best of two sets that share no window."""
        value, key = torch.cat([self.value, other.value], 1), torch.cat([self.key, other.key], 1)
        window = torch.cat([self.window, other.window], 1)
        kept = distinct_best(value, key, window, self.value.shape[1])
        both = {
            name: torch.cat([column, other.columns[name]], dim=1) for name, column in self.columns.items()
        }
        filled = _at(value, kept) > 0
        return Best(
            _at(value, kept),
            torch.where(filled, _at(key, kept), -1),
            torch.where(filled, _at(window, kept), -1),
            {name: _at(column, kept) for name, column in both.items()},
        )


def distinct_best(
    value: Float64[Tensor, "feature entry"],
    key: Int64[Tensor, "feature entry"],
    window: Int64[Tensor, "feature entry"],
    k: int,
) -> Int64[Tensor, "feature k"]:
    """Where the k best of each row are, the best first; what repeats a key comes after, as if empty.

    Sets `value` to 0 wherever a better entry has its key.
    """
    order = window.argsort(dim=1, stable=True)
    order = _at(order, _at(value, order).argsort(dim=1, stable=True, descending=True))
    by_key = _at(key, order).argsort(dim=1, stable=True)
    sorted_keys = _at(_at(key, order), by_key)
    repeats = torch.zeros_like(sorted_keys, dtype=torch.bool)
    repeats[:, 1:] = sorted_keys[:, 1:] == sorted_keys[:, :-1]
    value.masked_fill_(torch.zeros_like(repeats).scatter_(1, _at(order, by_key), repeats), 0)
    return _at(order, _at(value, order).argsort(dim=1, stable=True, descending=True)[:, :k])


def _at(array: Tensor, index: Int64[Tensor, "row chosen"]) -> Tensor:
    """The chosen entries of each row."""
    return array[torch.arange(len(index), device=index.device)[:, None], index]
