"""How much of the targets flows through each node, over all paths: one exact pass, no iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64

from clew.graph.graph import Graph
from clew.graph.order import topological_levels


@dataclass(frozen=True)
class Flow:
    """How influence moves through a graph; an edge carries `|weight| * per_weight[target]`."""

    found: Float64[np.ndarray, " node"]
    """Influence of each node on the weighted targets."""
    row_total: Float64[np.ndarray, " node"]
    """Sum of the absolute weights into each node."""
    target_weight: Float64[np.ndarray, " node"]
    level: Int64[np.ndarray, " node"]
    """An order in which every edge goes up."""

    @property
    def per_weight(self) -> Float64[np.ndarray, " node"]:
        return safe_divide(self.found + self.target_weight, self.row_total)


def influence(graph: Graph) -> Float64[np.ndarray, " node"]:
    """Influence of every node on the weighted targets; see `measure_flow`."""
    return measure_flow(graph).found


def measure_flow(graph: Graph) -> Flow:
    """Influence of every node on the weighted targets, and what it was computed from.

    With `N` the absolute edge weights, each target's row divided by its sum, influence is
    `w (N + N^2 + ...)` for target weights `w` (the attribution-graph papers' definition). Edges
    only ever go up, so visiting rows from the top level down settles each node before it is
    needed: every edge is read once.
    """
    level = topological_levels(graph)
    weight = graph.target_weight.astype(np.float64)
    total = row_sums(np.abs(graph.edge_weight), graph.edge_offset)
    found = node_influence(graph.edge_offset, graph.edge_source, graph.edge_weight, total, weight, level)
    return Flow(found=found, row_total=total, target_weight=weight, level=level)


def node_influence(
    offset: Int64[np.ndarray, " node_plus_1"],
    source: Int32[np.ndarray, " edge"],
    edge_weight: np.ndarray,
    row_total: Float64[np.ndarray, " node"],
    target_weight: Float64[np.ndarray, " node"],
    level: Int64[np.ndarray, " node"],
) -> Float64[np.ndarray, " node"]:
    """`w (N + N^2 + ...)` for a CSR matrix, `N = |edge_weight| / row_total`; edges go up in `level`."""
    n_nodes = len(target_weight)
    found = np.zeros(n_nodes)
    has_row = row_total > 0
    for current in np.unique(level[has_row])[::-1]:
        arriving = found + target_weight
        rows = np.flatnonzero(has_row & (level == current) & (arriving > 0))
        for first, last in consecutive_runs(rows):
            edges = slice(offset[first], offset[last + 1])
            per_weight = safe_divide(arriving[first : last + 1], row_total[first : last + 1])
            flow = np.abs(edge_weight[edges]) * np.repeat(per_weight, np.diff(offset[first : last + 2]))
            found += np.bincount(source[edges], weights=flow, minlength=n_nodes)
    return found


def edge_shares(graph: Graph) -> Float64[np.ndarray, " edge"]:
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
    if len(filled):
        total[filled] = np.add.reduceat(values, offset[:-1][filled], dtype=np.float64)
    return total


def safe_divide(value: np.ndarray, by: np.ndarray) -> np.ndarray:
    """`value / by`, and zero where `by` is zero."""
    return np.divide(value, by, out=np.zeros(len(value)), where=by > 0)


def consecutive_runs(rows: np.ndarray) -> list[tuple[int, int]]:
    """Sorted indices as (first, last) runs without gaps, so that CSR rows can be read as one slice."""
    if not len(rows):
        return []
    breaks = np.flatnonzero(np.diff(rows) > 1)
    firsts = np.concatenate([rows[:1], rows[breaks + 1]])
    lasts = np.concatenate([rows[breaks], rows[-1:]])
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]
