"""The k best of many entries, for every feature at once; exact in whatever order the entries come.

An entry has a value (above 0), a key and a window. Of entries with the same key only the best counts; of
entries with the same value the one of the earlier window is better. So the k best of two sets follow from
the k best of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

Columns = dict[str, Tensor]
"""Further facts of entries by name: `[feature, entry, ...]`."""
ColumnsOf = Callable[[Int64[Tensor, " entry"], Int64[Tensor, " entry"]], Columns]
"""Gives the columns of some entries, by their feature and their row among the offered windows."""


@dataclass
class TopEntries:
    """The k best entries of each feature, in any order; an empty one has value 0 and window -1."""

    value: Float64[Tensor, "feature k"]
    key: Int64[Tensor, "feature k"]
    window: Int64[Tensor, "feature k"]
    columns: Columns
    repeats: bool = True
    """A key may come more than once; False saves the search for it."""

    @classmethod
    def empty(
        cls,
        n_features: int,
        k: int,
        columns: dict[str, tuple[torch.dtype, tuple[int, ...]]],
        *,
        repeats: bool = True,
    ) -> TopEntries:
        """Room for k entries of each feature, with columns of these types and shapes."""
        return cls(
            repeats=repeats,
            value=torch.zeros(n_features, k, dtype=torch.float64),
            key=torch.full((n_features, k), -1),
            window=torch.full((n_features, k), -1),
            columns={
                name: torch.zeros(n_features, k, *shape, dtype=kind)
                for name, (kind, shape) in columns.items()
            },
        )

    def to(self, device: torch.device) -> TopEntries:
        return self._mapped(lambda array: array.to(device))

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> TopEntries:
        """The same with each of its arrays changed."""
        value, key, window = map(change, (self.value, self.key, self.window))
        columns = {name: change(column) for name, column in self.columns.items()}
        return TopEntries(value, key, window, columns, self.repeats)

    def offer(
        self,
        value: Float64[Tensor, "window feature"],
        key: Int64[Tensor, "window feature"],
        window: Int64[Tensor, " window"],
        columns_of: ColumnsOf,
    ) -> Int64[Tensor, " changed"]:
        """Offer one entry for each window and feature; returns the features that changed."""
        good = (value >= self.value.amin(dim=1)) & (value > 0)
        feature, offered = torch.nonzero(good.T, as_tuple=True)
        if self.repeats:
            better = ~self._has_better(
                feature, value[offered, feature], key[offered, feature], window[offered]
            )
            feature, offered = feature[better], offered[better]
        if not len(feature):
            return feature
        changed, row, column = _beside_each_other(feature)
        new = Candidates.empty(len(changed), int(column.max()) + 1, feature.device)
        new.value[row, column], new.key[row, column] = value[offered, feature], key[offered, feature]
        new.window[row, column], new.offered[row, column] = window[offered], offered
        self._take(changed, new, columns_of)
        return changed

    def _has_better(
        self, feature: Tensor, value: Tensor, key: Tensor, window: Tensor
    ) -> Bool[Tensor, " entry"]:
        """True where the same key is there with a better entry, or the same one."""
        same = self.key[feature] == key[:, None]
        value_here, window_here = self.value[feature], self.window[feature]
        return (same & _before(value_here, window_here, value[:, None], window[:, None], or_same=True)).any(
            dim=1
        )

    def _take(self, changed: Int64[Tensor, " row"], new: Candidates, columns_of: ColumnsOf) -> None:
        """Put new entries where old ones have to leave; entries that stay are not moved."""
        old_value, old_key, old_window = self.value[changed], self.key[changed], self.window[changed]
        k = old_value.shape[1]
        new_value = new.value
        if self.repeats:
            new_value, old_value = _without_repeats(new, old_value, old_key, old_window)
        values = torch.cat([old_value, new_value], dim=1)
        windows = torch.cat([old_window, new.window], dim=1)
        kept = torch.zeros_like(values, dtype=torch.bool).scatter_(
            1, best_first(values, windows)[:, :k], True
        )
        kept &= values > 0
        stays, comes = kept[:, :k], kept[:, k:]
        self.value[changed] = torch.where(stays, old_value, 0)
        self.key[changed] = torch.where(stays, old_key, -1)
        self.window[changed] = torch.where(stays, old_window, -1)
        free = stays.byte().argsort(dim=1, stable=True)
        row, column = torch.nonzero(comes, as_tuple=True)
        slot = free[row, comes.cumsum(dim=1)[row, column] - 1]
        feature = changed[row]
        self.value[feature, slot], self.key[feature, slot] = new_value[row, column], new.key[row, column]
        self.window[feature, slot] = new.window[row, column]
        for name, fresh in columns_of(feature, new.offered[row, column]).items():
            self.columns[name][feature, slot] = fresh

    def ordered(self) -> TopEntries:
        """The same entries, the best first."""
        order = best_first(self.value, self.window)
        return self._mapped(lambda array: _at(array, order))

    def joined(self, other: TopEntries) -> TopEntries:
        """The k best of two sets that share no window."""
        value, key = torch.cat([self.value, other.value], 1), torch.cat([self.key, other.key], 1)
        window = torch.cat([self.window, other.window], 1)
        kept = distinct_best(value, key, window, self.value.shape[1])
        both = {
            name: torch.cat([column, other.columns[name]], dim=1) for name, column in self.columns.items()
        }
        filled = _at(value, kept) > 0
        return replace(
            self,
            value=_at(value, kept),
            key=torch.where(filled, _at(key, kept), -1),
            window=torch.where(filled, _at(window, kept), -1),
            columns={name: _at(column, kept) for name, column in both.items()},
        )


@dataclass(frozen=True)
class Candidates:
    """Entries offered to some features, one row a feature; value 0 fills the rows up."""

    value: Float64[Tensor, "row column"]
    key: Int64[Tensor, "row column"]
    window: Int64[Tensor, "row column"]
    offered: Int64[Tensor, "row column"]
    """The row among the offered windows."""

    @classmethod
    def empty(cls, n_rows: int, n_columns: int, device: torch.device) -> Candidates:
        value = torch.zeros(n_rows, n_columns, dtype=torch.float64, device=device)
        nowhere = torch.full((n_rows, n_columns), -1, device=device)
        return cls(value, nowhere.clone(), nowhere.clone(), nowhere)


def _beside_each_other(feature: Int64[Tensor, " entry"]) -> tuple[Tensor, Tensor, Tensor]:
    """The features in a sorted list, and for each entry its row (the feature) and its column there."""
    changed, counts = torch.unique_consecutive(feature, return_counts=True)
    row = torch.repeat_interleave(torch.arange(len(changed), device=feature.device), counts)
    begin = counts.cumsum(dim=0) - counts
    return changed, row, torch.arange(len(feature), device=feature.device) - begin[row]


def _without_repeats(
    new: Candidates, old_value: Tensor, old_key: Tensor, old_window: Tensor
) -> tuple[Float64[Tensor, "row column"], Float64[Tensor, "row k"]]:
    """The values of new and old entries, 0 where a better new one has the same key."""

    def beaten(value: Tensor, key: Tensor, window: Tensor) -> Tensor:
        same = key[:, :, None] == new.key[:, None]
        before = _before(new.value[:, None], new.window[:, None], value[:, :, None], window[:, :, None])
        return (same & before).any(dim=2)

    kept_new = new.value.masked_fill(beaten(new.value, new.key, new.window), 0)
    return kept_new, old_value.masked_fill(beaten(old_value, old_key, old_window), 0)


def _before(
    value: Tensor, window: Tensor, than: Tensor, than_window: Tensor, *, or_same: bool = False
) -> Bool[Tensor, "..."]:
    """True where an entry is better than another one."""
    earlier = window <= than_window if or_same else window < than_window
    return (value > than) | ((value == than) & earlier)


def best_first(
    value: Float64[Tensor, "feature entry"], window: Int64[Tensor, "feature entry"]
) -> Int64[Tensor, "feature entry"]:
    """The order of each row: by value from the highest, then by window from the first."""
    order = window.argsort(dim=1, stable=True)
    return _at(order, _at(value, order).argsort(dim=1, stable=True, descending=True))


def distinct_best(
    value: Float64[Tensor, "feature entry"],
    key: Int64[Tensor, "feature entry"],
    window: Int64[Tensor, "feature entry"],
    k: int,
) -> Int64[Tensor, "feature k"]:
    """The columns of the k best entries of each row, the best first; repeated keys come last.

    Sets `value` to 0 where a better entry has the same key.
    """
    order = best_first(value, window)
    by_key = _at(key, order).argsort(dim=1, stable=True)
    sorted_keys = _at(_at(key, order), by_key)
    repeats = torch.zeros_like(sorted_keys, dtype=torch.bool)
    repeats[:, 1:] = sorted_keys[:, 1:] == sorted_keys[:, :-1]
    value.masked_fill_(torch.zeros_like(repeats).scatter_(1, _at(order, by_key), repeats), 0)
    return _at(order, _at(value, order).argsort(dim=1, stable=True, descending=True)[:, :k])


def _at(array: Tensor, index: Int64[Tensor, "row chosen"]) -> Tensor:
    """The chosen entries of each row."""
    return array[torch.arange(len(index), device=index.device)[:, None], index]
