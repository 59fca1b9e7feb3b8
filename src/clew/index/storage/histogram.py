"""Histograms with fixed bins, which need no second pass: the bits of a float32 say its bin.

A bin is a sign, an exponent and the top bit of the mantissa: half octaves from 2^-10 to 2^12, that is
`[2^e, 1.5 * 2^e)` and `[1.5 * 2^e, 2^(e+1))`. Smaller magnitudes have one bin on each side. Zero has a bin of
its own; magnitudes below 2^-127 count as zero. The outermost bins are open. Counts add up over shards.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64, Int16, Int32, Int64

if TYPE_CHECKING:
    from torch import Tensor

LOWEST, HIGHEST = -10, 12
"""The octaves that have bins."""
CODES = 2 * (HIGHEST - LOWEST) + 1
"""Bins on one side of zero."""
ZERO = CODES
N_BINS = 2 * CODES + 1

_SHIFT = 22
"""Bits of a float32 to drop: sign, exponent and one bit of the mantissa remain."""
_FIRST = 2 * (127 + LOWEST)
"""The code of 2^LOWEST, counted from one below."""


def bin_of(values: Float32[np.ndarray, "..."]) -> Int32[np.ndarray, "..."]:
    """The bin of each value, from the most negative to the most positive."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.int32)
    magnitude = (bits & 0x7FFFFFFF) >> _SHIFT
    code = np.minimum(np.clip(magnitude - _FIRST + 1, 0, CODES - 1) + 1, magnitude)
    return ZERO + np.where(bits < 0, -code, code).astype(np.int32)


def bins_of(values: Float32[Tensor, "row feature"]) -> Int16[Tensor, "row feature"]:
    """The same for a contiguous tensor on any device, from the upper half of each float alone."""
    import torch

    upper = values.view(torch.int16).view(*values.shape, 2)[..., 1]
    key = upper >> (_SHIFT - 16)
    magnitude = key & 0x1FF
    code = torch.minimum(magnitude.clamp(_FIRST - 1, _FIRST + CODES - 2).sub_(_FIRST - 2), magnitude)
    sign = key >> 15
    return (code ^ sign).sub_(sign).add_(ZERO)


@cache
def edges() -> Float64[np.ndarray, " edge"]:
    """The `N_BINS + 1` edges of the bins; the outermost are infinite, both edges of zero's bin are zero."""
    octaves = np.exp2(np.arange(LOWEST, HIGHEST, dtype=np.float64))
    side = np.stack([octaves, 1.5 * octaves], axis=1).ravel()
    all_edges = np.concatenate([[-np.inf], -side[::-1][:-1], [-side[0], 0, 0], side, [np.inf]])
    all_edges.flags.writeable = False
    return all_edges


def quantiles(
    counts: Int64[np.ndarray, " bin"], shares: Float64[np.ndarray, " share"], lowest: float, highest: float
) -> Float64[np.ndarray, " share"]:
    """The value below which each share of the counts lies, taken as even within a bin.

    `lowest` and `highest` end the open bins.
    """
    limits = np.clip(edges(), lowest, highest)
    reached = np.concatenate([[0], np.cumsum(counts)]).astype(np.float64)
    wanted = shares * reached[-1]
    bins = np.clip(np.searchsorted(reached, wanted, side="left") - 1, 0, N_BINS - 1)
    inside = (wanted - reached[bins]) / np.maximum(counts[bins], 1)
    return limits[bins] + np.clip(inside, 0, 1) * (limits[bins + 1] - limits[bins])
