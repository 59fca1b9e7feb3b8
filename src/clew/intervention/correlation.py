"""How closely two series of numbers go together."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

FEWEST = 3
"""With fewer points a correlation says nothing."""


def pearson(x: np.ndarray, y: np.ndarray) -> float | None:
    """Correlation of the values; None for fewer than `FEWEST` points or a constant series."""
    if len(x) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    # Scaled first, so that squares of tiny numbers do not vanish.
    x, y = (_unit(np.asarray(values, dtype=np.float64)) for values in (x, y))
    return float(np.clip(x @ y, -1, 1))


def spearman(x: np.ndarray, y: np.ndarray) -> float | None:
    """Correlation of the ranks, equal values sharing theirs; None as for `pearson`."""
    return pearson(ranks(x), ranks(y))


def ranks(values: np.ndarray) -> Float64[np.ndarray, " value"]:
    """Ranks from 1, smallest first; equal values get the mean of the ranks that they take up."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place]


def _unit(values: Float64[np.ndarray, " value"]) -> Float64[np.ndarray, " value"]:
    centred = values / np.abs(values).max()
    centred = centred - centred.mean()
    return centred / np.linalg.norm(centred)
