"""What removing one node would do to the targets, as the edges say: directly, and over all paths."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import safe_divide
from clew.graph.order import level_runs, topological_levels


def direct_effects(graph: Graph) -> Float64[np.ndarray, "target node"]:
    """What every node adds to each target by an edge of its own; to remove it takes this away."""
    targets = graph.of_kind(NodeKind.TARGET)
    found = np.zeros((len(targets), graph.n_nodes))
    for row, target in zip(found, targets, strict=True):
        edges = slice(graph.edge_offset[target], graph.edge_offset[target + 1])
        row[graph.edge_source[edges]] = graph.edge_weight[edges]
    return found


def total_effects(graph: Graph) -> Float64[np.ndarray, "target node"]:
    """What every node adds to each target over all paths, signs and all; to remove it takes this away.

    A feature passes on what it receives: with `w` the edge and `a` a feature's activation,
    `effect(s) = sum over n of w(s -> n) effect(n) / a(n)`. Every edge is read once. Raises `ClewError` for a
    graph without activations.
    """
    features, targets = graph.of_kind(NodeKind.FEATURE), graph.of_kind(NodeKind.TARGET)
    activation = graph.node_activation[features].astype(np.float64)
    if not np.isfinite(activation).all():
        raise ClewError("This graph holds no activations, so it predicts nothing.")
    per_unit = np.zeros(graph.n_nodes)
    per_unit[features] = safe_divide(np.sign(activation), np.abs(activation))
    found = np.zeros((len(targets), graph.n_nodes))
    arriving = np.zeros_like(found)
    arriving[np.arange(len(targets)), targets] = 1
    for rows in level_runs(topological_levels(graph))[::-1]:
        begins = graph.edge_offset[rows.start : rows.stop + 1]
        edges = slice(begins[0], begins[-1])
        source, weight = graph.edge_source[edges], graph.edge_weight[edges].astype(np.float64)
        for effect, at_target in zip(found, arriving, strict=True):
            passed_on = at_target[rows] + effect[rows] * per_unit[rows]
            carried = weight * np.repeat(passed_on, np.diff(begins))
            effect += np.bincount(source, weights=carried, minlength=graph.n_nodes)
    return found
