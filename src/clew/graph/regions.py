"""Regions: features that lie close together in a graph and do alike, as many as are asked for."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from clew.graph.alike import Weights, likeness, traits_of
from clew.graph.clusters import ward_clusters
from clew.graph.graph import Graph
from clew.graph.influence import Flow
from clew.graph.words import Words

COMPARED = 768
"""So many of the most influential features are compared pair by pair; the others join them."""
LEAST_MASS = 1e-9
"""Of the whole; what has no influence still has a place."""
WEIGHTS = Weights(words=0.1, edges=0.15, position=0.45, layer=0.25, feature=0.05)


def regions_of(
    graph: Graph, nodes: Int64[np.ndarray, " feature"], flow: Flow, words: Words, count: int
) -> list[Int64[np.ndarray, " member"]]:
    """Feature nodes divided into at most `count` regions, so that each is alike and weighs something."""
    if not len(nodes) or count < 1:
        return []
    nodes = nodes[np.argsort(-flow.found[nodes], kind="stable")]
    traits = traits_of(graph, nodes, flow, words)
    total = flow.found[nodes].sum()
    mass = flow.found[nodes] / total + LEAST_MASS if total > 0 else np.ones(len(nodes))
    core = slice(0, min(COMPARED, len(nodes)))
    alike = likeness(traits, core, core, WEIGHTS)
    own = np.diagonal(alike)
    cluster = ward_clusters(np.maximum(own[:, None] + own[None, :] - 2 * alike, 0), mass[core], count)
    # A centre's likeness to a point is the mean of its members'; its distance also counts their spread.
    member = (cluster[:, None] == np.arange(cluster.max() + 1)) * mass[core][:, None]
    member /= member.sum(axis=0)
    spread = np.einsum("ic,ij,jc->c", member, alike, member, optimize=True)
    rest = slice(core.stop, len(nodes))
    joined = np.argmax(2 * likeness(traits, rest, core, WEIGHTS) @ member - spread, axis=1)
    cluster = np.concatenate([cluster, joined])
    return [np.sort(nodes[cluster == number]) for number in range(cluster.max() + 1)]
