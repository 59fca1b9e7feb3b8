"""Gather what is alike around the most influential: disjoint sets out of a table of who is like whom."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float64, Int64


def gather(
    alike: Bool[np.ndarray, "item item"],
    influence: Float64[np.ndarray, " item"],
    is_worth: Callable[[Int64[np.ndarray, " member"]], bool],
    count: int,
) -> list[Int64[np.ndarray, " member"]]:
    """At most `count` sets: the item whose neighbours have most influence together gathers them, and so on.

    An item is in one set at most. A set that `is_worth` refuses stays free for others to gather.
    """
    left = influence.astype(np.float64)
    strength = alike.astype(np.float32) @ left
    found: list[np.ndarray] = []
    while len(found) < count and strength.max(initial=0) > 0:
        seed = int(np.argmax(strength))
        members = np.flatnonzero(alike[seed] & (left > 0))
        if left[seed] <= 0 or not is_worth(members):
            strength[seed] = 0
            continue
        found.append(members)
        strength -= alike[:, members] @ left[members]
        left[members] = strength[members] = 0
    return found
