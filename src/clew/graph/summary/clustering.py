"""Clusters: regions of nearby layers and positions, and sets of alike items around the most influential."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float64, Int64

from clew.graph.arrays import GraphArrays

MOST_CELLS = 768
"""The most influential (layer, position) cells are clustered, and the others join them, to bound memory."""
LAYER_WEIGHT = 0.5
"""Weight of the layer in the likeness of two cells; the position has weight 1."""


def regions_of(
    graph: GraphArrays,
    nodes: Int64[np.ndarray, " feature"],
    influence: Float64[np.ndarray, " node"],
    count: int,
) -> list[Int64[np.ndarray, " member"]]:
    """Feature nodes divided into at most `count` regions of nearby layers and positions."""
    if not len(nodes) or count < 1:
        return []
    place = np.stack([graph.node_layer[nodes], graph.node_position[nodes]])
    cells, cell_of = np.unique(place, axis=1, return_inverse=True)
    cell_of = cell_of.reshape(-1)
    mass = np.bincount(cell_of, influence[nodes] if influence[nodes].any() else None)
    mass = mass / mass.sum() + 1e-9  # Ward's costs need a mass above zero
    order = np.argsort(-mass, kind="stable")
    core, rest = order[:MOST_CELLS], order[MOST_CELLS:]
    alike = _likeness(graph, cells[:, core], cells[:, core])
    cluster = np.zeros(len(mass), dtype=np.int64)
    cluster[core] = ward_clusters(2 * (1 + LAYER_WEIGHT - alike), mass[core], count)
    if len(rest):
        # The distance to a cluster's centre is that to its members, less their spread.
        member = (cluster[core][:, None] == np.arange(cluster.max() + 1)) * mass[core][:, None]
        member /= member.sum(axis=0)
        spread = ((alike @ member) * member).sum(axis=0)
        cluster[rest] = np.argmax(
            2 * _likeness(graph, cells[:, rest], cells[:, core]) @ member - spread, axis=1
        )
    return [np.sort(nodes[cluster[cell_of] == number]) for number in range(cluster.max() + 1)]


def _likeness(graph: GraphArrays, rows: np.ndarray, columns: np.ndarray) -> Float64[np.ndarray, "row column"]:
    """The likeness of cells (layer, position): 1 plus `LAYER_WEIGHT` for the same cell, near 0 far apart."""
    layers, positions = np.abs(rows[:, :, None] - columns[:, None, :]).astype(np.float64)
    return np.exp(-2 * positions) + LAYER_WEIGHT * np.exp(-4 * layers / max(1, graph.n_layers))


def gather(
    alike: Bool[np.ndarray, "item item"],
    influence: Float64[np.ndarray, " item"],
    is_accepted: Callable[[Int64[np.ndarray, " member"]], bool],
    count: int,
) -> list[Int64[np.ndarray, " member"]]:
    """At most `count` disjoint sets: the item whose neighbours have most influence gathers them, and so on.

    A set that `is_accepted` refuses stays free for others to gather.
    """
    free = influence.astype(np.float64)
    strength = alike.astype(np.float32) @ free
    sets: list[np.ndarray] = []
    while len(sets) < count and strength.max(initial=0) > 0:
        seed = int(np.argmax(strength))
        members = np.flatnonzero(alike[seed] & (free > 0))
        if free[seed] <= 0 or not is_accepted(members):
            strength[seed] = 0
            continue
        sets.append(members)
        strength -= alike[:, members] @ free[members]
        free[members] = strength[members] = 0
    return sets


def ward_clusters(
    distance: Float64[np.ndarray, "point point"], mass: Float64[np.ndarray, " point"], count: int
) -> Int64[np.ndarray, " point"]:
    """A cluster number from 0 for every point: at most `count` clusters, numbered by their first point.

    `distance` holds squared distances. Two clusters of masses `m` and `n` merge at the cost `m n / (m + n)`
    times the squared distance of their centres, cheapest first (Ward's method). Chains of nearest neighbours
    find the same merges in quadratic time ("Modern hierarchical, agglomerative clustering algorithms",
    Müllner 2011, https://arxiv.org/abs/1109.2378).
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
    """Every merge with its cost, down to one cluster; a cluster is named by one of its points."""
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
        # Among equally near points, the previous one makes the chain end.
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
