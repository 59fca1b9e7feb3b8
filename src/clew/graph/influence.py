"""Influence of nodes on the targets over all paths, and effects of removing them: exact, in one pass.

The definition of influence is that of "Circuit Tracing: Revealing Computational Graphs in Language Models",
Ameisen et al. 2025, https://transformer-circuits.pub/2025/attribution-graphs/methods.html.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64

from clew.errors import ClewError
from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.topological_order import level_runs, topological_levels

EDGES_AT_ONCE = 2**18
"""Edges summed at once: bounds memory, and is fastest when it fits the processor's cache."""


@dataclass(frozen=True)
class Flow:
    """The flow of influence through a graph; an edge carries `|weight| * per_weight[target]`."""

    influence: Float64[np.ndarray, " node"]
    """Influence of each node on the weighted targets."""
    row_total: Float64[np.ndarray, " node"]
    """Sum of the absolute weights into each node."""
    target_weight: Float64[np.ndarray, " node"]
    level: Int64[np.ndarray, " node"]
    """Levels of the nodes, such that every edge goes up."""

    @property
    def per_weight(self) -> Float64[np.ndarray, " node"]:
        return safe_divide(self.influence + self.target_weight, self.row_total)


def influence(graph: GraphArrays) -> Float64[np.ndarray, " node"]:
    """Influence of every node on the weighted targets; see `measure_flow`."""
    return measure_flow(graph).influence


def measure_flow(graph: GraphArrays) -> Flow:
    """The flow of influence from every node to the weighted targets.

    `N` holds the absolute edge weights, each row divided by its sum. Influence is `w (N + N^2 + ...)` for
    target weights `w`. Every edge goes up, so one visit of the rows from the top level down is exact.
    """
    level = topological_levels(graph)
    weight = graph.target_weight.astype(np.float64)
    values, total = node_influence(graph.edge_offset, graph.edge_source, graph.edge_weight, weight, level)
    return Flow(influence=values, row_total=total, target_weight=weight, level=level)


def node_influence(
    offset: Int64[np.ndarray, " node_plus_1"],
    source: Int32[np.ndarray, " edge"],
    edge_weight: np.ndarray,
    target_weight: Float64[np.ndarray, " node"],
    level: Int64[np.ndarray, " node"],
    other_input: Float64[np.ndarray, " node"] | None = None,
) -> tuple[Float64[np.ndarray, " node"], Float64[np.ndarray, " node"]]:
    """Influence and row totals of a CSR matrix whose edges go up in `level`.

    Influence is `w (N + N^2 + ...)` with `N = |edge_weight| / row_total`. A row total is the sum of a row's
    absolute weights plus its `other_input`, which comes from no node.
    """
    n_nodes = len(target_weight)
    values = np.zeros(n_nodes)
    total = np.zeros(n_nodes) if other_input is None else other_input.copy()
    for rows in level_runs(level)[::-1]:
        begins = offset[rows.start : rows.stop + 1]
        if begins[0] == begins[-1]:
            continue
        edges = slice(begins[0], begins[-1])
        carried = np.abs(edge_weight[edges], dtype=np.float64)
        total[rows] += row_sums(carried, begins - begins[0])
        per_weight = safe_divide(values[rows] + target_weight[rows], total[rows])
        carried *= np.repeat(per_weight, np.diff(begins))
        values += np.bincount(source[edges], weights=carried, minlength=n_nodes)
    return values, total


def direct_effects(graph: GraphArrays) -> Float64[np.ndarray, "target node"]:
    """The part of each target that comes from each node by a direct edge; removing the node removes it."""
    targets = graph.of_kind(NodeKind.TARGET)
    effects = np.zeros((len(targets), graph.n_nodes))
    for row, target in zip(effects, targets, strict=True):
        edges = slice(graph.edge_offset[target], graph.edge_offset[target + 1])
        row[graph.edge_source[edges]] = graph.edge_weight[edges]
    return effects


def total_effects(graph: GraphArrays) -> Float64[np.ndarray, "target node"]:
    """The part of each target that comes from each node over all paths, with signs.

    A feature passes on what it receives: with `w` the edge and `a` a feature's activation,
    `effect(s) = sum over n of w(s -> n) effect(n) / a(n)`. Raises `ClewError` for a graph without
    activations.
    """
    features, targets = graph.of_kind(NodeKind.FEATURE), graph.of_kind(NodeKind.TARGET)
    activation = graph.node_activation[features].astype(np.float64)
    if not np.isfinite(activation).all():
        raise ClewError("This graph holds no activations, so it predicts no effects; trace the prompt again.")
    per_unit = np.zeros(graph.n_nodes)
    per_unit[features] = safe_divide(np.sign(activation), np.abs(activation))
    effects = np.zeros((len(targets), graph.n_nodes))
    arriving = np.zeros_like(effects)
    arriving[np.arange(len(targets)), targets] = 1
    for rows in level_runs(topological_levels(graph))[::-1]:
        begins = graph.edge_offset[rows.start : rows.stop + 1]
        edges = slice(begins[0], begins[-1])
        source, weight = graph.edge_source[edges], graph.edge_weight[edges].astype(np.float64)
        for effect, at_target in zip(effects, arriving, strict=True):
            passed_on = at_target[rows] + effect[rows] * per_unit[rows]
            carried = weight * np.repeat(passed_on, np.diff(begins))
            effect += np.bincount(source, weights=carried, minlength=graph.n_nodes)
    return effects


def output_shares(graph: GraphArrays) -> Float64[np.ndarray, " node"]:
    """The share of the outputs that flows through each node, over all paths; reports call it influence."""
    influence = np.nan_to_num(graph.node_influence.astype(np.float64))
    return influence / (float(graph.target_weight.sum()) or 1.0)


def edge_shares(graph: GraphArrays) -> Float64[np.ndarray, " edge"]:
    """The matrix `N`: each edge's share of its target's absolute input; rows of zeros stay zero."""
    total = row_sums(np.abs(graph.edge_weight), graph.edge_offset)
    inverse = safe_divide(np.ones_like(total), total)
    return np.abs(graph.edge_weight) * np.repeat(inverse, np.diff(graph.edge_offset))


def cumulative_share(influence: Float64[np.ndarray, " node"]) -> Float64[np.ndarray, " node"]:
    """The share of all influence that each node and every stronger node carry together, at most 1."""
    order = np.argsort(-influence, kind="stable")
    share = np.empty_like(influence, dtype=np.float64)
    share[order] = safe_divide(np.cumsum(influence[order]), np.full(len(influence), influence.sum()))
    return np.minimum(share, 1)


def row_sums(values: np.ndarray, offset: Int64[np.ndarray, " node_plus_1"]) -> Float64[np.ndarray, " node"]:
    """Sum of each CSR row, in float64; empty rows sum to zero."""
    total = np.zeros(len(offset) - 1)
    filled = np.flatnonzero(np.diff(offset))
    # numpy widens its whole input at once, so some rows at a time save memory.
    for rows in np.split(filled, np.flatnonzero(np.diff(offset[filled] // EDGES_AT_ONCE)) + 1):
        if len(rows):
            edges = slice(offset[rows[0]], offset[rows[-1] + 1])
            total[rows] = np.add.reduceat(values[edges], offset[rows] - edges.start, dtype=np.float64)
    return total


def safe_divide(value: np.ndarray, by: np.ndarray) -> np.ndarray:
    """`value / by`, and zero where `by` is zero."""
    return np.divide(value, by, out=np.zeros(len(value)), where=by > 0)
