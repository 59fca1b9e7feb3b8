"""How much of the targets flows through each node, over all paths: one exact pass, no iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64

from clew.errors import ClewError
from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.order import level_runs, topological_levels

EDGES_AT_ONCE = 2**18
"""Bounds scratch memory; what fits into the processor's cache is also quickest."""


@dataclass(frozen=True)
class Flow:
    """How influence moves through a graph; an edge carries `|weight| * per_weight[target]`."""

    influence: Float64[np.ndarray, " node"]
    """Influence of each node on the weighted targets."""
    row_total: Float64[np.ndarray, " node"]
    """Sum of the absolute weights into each node."""
    target_weight: Float64[np.ndarray, " node"]
    level: Int64[np.ndarray, " node"]
    """An order in which every edge goes up."""

    @property
    def per_weight(self) -> Float64[np.ndarray, " node"]:
        return safe_divide(self.influence + self.target_weight, self.row_total)


def influence(graph: GraphArrays) -> Float64[np.ndarray, " node"]:
    """Influence of every node on the weighted targets; see `measure_flow`."""
    return measure_flow(graph).influence


def measure_flow(graph: GraphArrays) -> Flow:
    """Influence of every node on the weighted targets, and what it was computed from.

    With `N` the absolute edge weights, each target's row divided by its sum, influence is
    `w (N + N^2 + ...)` for target weights `w` (the attribution-graph papers' definition). Edges
    only ever go up, so visiting rows from the top level down settles each node before it is
    needed: every edge is read once.
    """
    level = topological_levels(graph)
    weight = graph.target_weight.astype(np.float64)
    found, total = node_influence(graph.edge_offset, graph.edge_source, graph.edge_weight, weight, level)
    return Flow(influence=found, row_total=total, target_weight=weight, level=level)


def node_influence(
    offset: Int64[np.ndarray, " node_plus_1"],
    source: Int32[np.ndarray, " edge"],
    edge_weight: np.ndarray,
    target_weight: Float64[np.ndarray, " node"],
    level: Int64[np.ndarray, " node"],
    other_input: Float64[np.ndarray, " node"] | None = None,
) -> tuple[Float64[np.ndarray, " node"], Float64[np.ndarray, " node"]]:
    """Influence and row totals of a CSR matrix whose edges go up in `level`.

    Influence is `w (N + N^2 + ...)` with `N = |edge_weight| / row_total`; a row total is the sum of a
    row's absolute weights plus its `other_input`, which comes from no node.
    """
    n_nodes = len(target_weight)
    found = np.zeros(n_nodes)
    total = np.zeros(n_nodes) if other_input is None else other_input.copy()
    for rows in level_runs(level)[::-1]:
        begins = offset[rows.start : rows.stop + 1]
        if begins[0] == begins[-1]:
            continue
        edges = slice(begins[0], begins[-1])
        carried = np.abs(edge_weight[edges], dtype=np.float64)
        total[rows] += row_sums(carried, begins - begins[0])
        per_weight = safe_divide(found[rows] + target_weight[rows], total[rows])
        carried *= np.repeat(per_weight, np.diff(begins))
        found += np.bincount(source[edges], weights=carried, minlength=n_nodes)
    return found, total


def direct_effects(graph: GraphArrays) -> Float64[np.ndarray, "target node"]:
    """What every node adds to each target by an edge of its own; to remove it takes this away."""
    targets = graph.of_kind(NodeKind.TARGET)
    found = np.zeros((len(targets), graph.n_nodes))
    for row, target in zip(found, targets, strict=True):
        edges = slice(graph.edge_offset[target], graph.edge_offset[target + 1])
        row[graph.edge_source[edges]] = graph.edge_weight[edges]
    return found


def total_effects(graph: GraphArrays) -> Float64[np.ndarray, "target node"]:
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


def edge_shares(graph: GraphArrays) -> Float64[np.ndarray, " edge"]:
    """`N`: each edge's share of its target's input, by absolute weight; rows of zeros stay zero."""
    total = row_sums(np.abs(graph.edge_weight), graph.edge_offset)
    inverse = safe_divide(np.ones_like(total), total)
    return np.abs(graph.edge_weight) * np.repeat(inverse, np.diff(graph.edge_offset))


def cumulative_share(found: Float64[np.ndarray, " node"]) -> Float64[np.ndarray, " node"]:
    """For each node the share of all influence that it and every stronger node carry together."""
    order = np.argsort(-found, kind="stable")
    share = np.empty_like(found, dtype=np.float64)
    share[order] = safe_divide(np.cumsum(found[order]), np.full(len(found), found.sum()))
    return share


def row_sums(values: np.ndarray, offset: Int64[np.ndarray, " node_plus_1"]) -> Float64[np.ndarray, " node"]:
    """Sum of each CSR row, in float64; empty rows sum to zero."""
    total = np.zeros(len(offset) - 1)
    filled = np.flatnonzero(np.diff(offset))
    # numpy widens all that it is given at once, so it is given some rows at a time.
    for rows in np.split(filled, np.flatnonzero(np.diff(offset[filled] // EDGES_AT_ONCE)) + 1):
        if len(rows):
            edges = slice(offset[rows[0]], offset[rows[-1] + 1])
            total[rows] = np.add.reduceat(values[edges], offset[rows] - edges.start, dtype=np.float64)
    return total


def safe_divide(value: np.ndarray, by: np.ndarray) -> np.ndarray:
    """`value / by`, and zero where `by` is zero."""
    return np.divide(value, by, out=np.zeros(len(value)), where=by > 0)
