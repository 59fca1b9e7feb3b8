"""Clusters of features: regions that lie close together, and what is alike around the most influential."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float64, Int64

from clew.graph.arrays import GraphArrays
from clew.graph.influence import Flow
from clew.graph.summary.similarity import SimilarityWeights, likeness, traits_of
from clew.graph.summary.words import Words

COMPARED = 768
"""So many of the most influential features are compared pair by pair; the others join them."""
LEAST_MASS = 1e-9
"""Of the whole; what has no influence still has a place."""
REGION_WEIGHTS = SimilarityWeights(words=0.1, edges=0.15, position=0.45, layer=0.25, feature=0.05)


def regions_of(
    graph: GraphArrays, nodes: Int64[np.ndarray, " feature"], flow: Flow, words: Words, count: int
) -> list[Int64[np.ndarray, " member"]]:
    """Feature nodes divided into at most `count` regions, so that each is alike and weighs something."""
    if not len(nodes) or count < 1:
        return []
    nodes = nodes[np.argsort(-flow.influence[nodes], kind="stable")]
    traits = traits_of(graph, nodes, flow, words)
    total = flow.influence[nodes].sum()
    mass = flow.influence[nodes] / total + LEAST_MASS if total > 0 else np.ones(len(nodes))
    core = slice(0, min(COMPARED, len(nodes)))
    alike = likeness(traits, core, core, REGION_WEIGHTS)
    own = np.diagonal(alike)
    cluster = ward_clusters(np.maximum(own[:, None] + own[None, :] - 2 * alike, 0), mass[core], count)
    # A centre's likeness to a point is the mean of its members'; its distance also counts their spread.
    member = (cluster[:, None] == np.arange(cluster.max() + 1)) * mass[core][:, None]
    member /= member.sum(axis=0)
    spread = np.einsum("ic,ij,jc->c", member, alike, member, optimize=True)
    rest = slice(core.stop, len(nodes))
    joined = np.argmax(2 * likeness(traits, rest, core, REGION_WEIGHTS) @ member - spread, axis=1)
    cluster = np.concatenate([cluster, joined])
    return [np.sort(nodes[cluster == number]) for number in range(cluster.max() + 1)]


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
