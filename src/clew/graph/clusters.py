"""Ward's clustering of weighted points whose likeness is known pair by pair."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64


def ward_clusters(
    distance: Float64[np.ndarray, "point point"], mass: Float64[np.ndarray, " point"], count: int
) -> Int64[np.ndarray, " point"]:
    """A cluster number from 0 for every point, `count` clusters at most, numbered by first point.

    `distance` holds squared distances, of which the clusters' inertia is made: two clusters of masses `m`
    and `n` merge at the cost `m n / (m + n)` times the squared distance of their centres, cheapest first
    (Ward 1963). Chains of nearest neighbours find the same merges in quadratic time.
    """
    n_points = len(mass)
    if not 0 < count < n_points:
        return np.zeros(n_points, dtype=np.int64) if count < n_points else np.arange(n_points)
    merges = _merges(distance * (mass[:, None] * mass[None, :] / (mass[:, None] + mass[None, :])), mass)
    parent = np.arange(n_points)
    for _, one, other in sorted(merges, key=lambda merge: merge[0])[: n_points - count]:
        parent[_root(parent, other)] = _root(parent, one)
    roots = [_root(parent, point) for point in range(n_points)]
    first: dict[int, int] = {}
    return np.array([first.setdefault(root, len(first)) for root in roots])


def _merges(cost: np.ndarray, mass: np.ndarray) -> list[tuple[float, int, int]]:
    """Every merge with its cost, down to one cluster; a cluster goes by the index of one of its points."""
    cost, mass = cost.copy(), mass.copy()
    np.fill_diagonal(cost, np.inf)
    alive = np.ones(len(mass), dtype=bool)
    merges: list[tuple[float, int, int]] = []
    chain: list[int] = []
    while len(merges) < len(mass) - 1:
        if not chain:
            chain = [int(np.argmax(alive))]
        last = chain[-1]
        nearest = int(np.argmin(cost[last]))
        # Of equally near ones the one it came from, so that the chain ends.
        if len(chain) > 1 and cost[last, chain[-2]] <= cost[last, nearest]:
            nearest = chain[-2]
        if len(chain) < 2 or nearest != chain[-2]:
            chain.append(nearest)
            continue
        del chain[-2:]
        merges.append((float(cost[last, nearest]), nearest, last))
        both = mass[nearest] + mass[last]
        new = (mass + mass[nearest]) * cost[nearest] + (mass + mass[last]) * cost[last]
        new -= mass * cost[last, nearest]
        new /= mass + both
        alive[last] = False
        new[~alive] = new[nearest] = np.inf
        cost[nearest], cost[:, nearest] = new, new
        cost[last], cost[:, last] = np.inf, np.inf
        mass[nearest] = both
    return merges


def _root(parent: np.ndarray, point: int) -> int:
    while parent[point] != point:
        parent[point] = parent[parent[point]]
        point = int(parent[point])
    return point
