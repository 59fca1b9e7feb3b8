"""Ward's clustering against merging the cheapest pair, one after another."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clew.graph.summary.clustering import ward_clusters


def plain_ward(points: np.ndarray, mass: np.ndarray, count: int) -> set[frozenset[int]]:
    clusters = [frozenset([point]) for point in range(len(points))]

    def cost(one: frozenset[int], other: frozenset[int]) -> float:
        a, b = list(one), list(other)
        apart = np.average(points[a], axis=0, weights=mass[a]) - np.average(
            points[b], axis=0, weights=mass[b]
        )
        return float(mass[a].sum() * mass[b].sum() / (mass[a].sum() + mass[b].sum()) * (apart**2).sum())

    while len(clusters) > count:
        pairs = [(one, other) for number, one in enumerate(clusters) for other in clusters[:number]]
        one, other = min(pairs, key=lambda pair: cost(*pair))
        clusters = [cluster for cluster in clusters if cluster not in (one, other)] + [one | other]
    return set(clusters)


@given(seed=st.integers(0, 2**32), n_points=st.integers(1, 12), count=st.integers(1, 12))
def test_the_cheapest_pair_merges_first(seed, n_points, count):
    rng = np.random.default_rng(seed)
    points, mass = rng.normal(size=(n_points, 3)), rng.random(n_points) + 0.1
    distance = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    found = ward_clusters(distance, mass, count)
    assert sorted(set(found)) == list(range(min(count, n_points)))
    groups = {frozenset(np.flatnonzero(found == number).tolist()) for number in set(found)}
    assert groups == plain_ward(points, mass, count)
