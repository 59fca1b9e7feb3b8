"""Replacement and completeness: the share of the targets that a graph explains without its error nodes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int64

from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import Flow, measure_flow, node_influence, safe_divide
from clew.graph.info import Scores

MOST_CELLS_AT_ONCE = 4_000_000
"""Cells of `_error_by_row` at once: about 32 MB."""


def scores(graph: GraphArrays, flow: Flow | None = None) -> Scores:
    """The scores of a graph, as `Scores` defines them; `flow` saves computing it again.

    Completeness weighs each node by its influence plus its target weight. Nodes without inputs (tokens,
    errors) count as complete, as in the published definition. All that pruning left out counts as error.
    """
    flow = flow or measure_flow(graph)
    if graph.node_left_out is not None:
        return scores_of_part(graph, np.ones(graph.n_nodes, dtype=bool), flow=flow)
    return _scores(
        token=flow.influence[graph.of_kind(NodeKind.TOKEN)].sum(),
        error=flow.influence[graph.of_kind(NodeKind.ERROR)].sum(),
        everything=(flow.influence + flow.target_weight).sum(),
    )


def scores_of_part(
    graph: GraphArrays,
    keep_node: Bool[np.ndarray, " node"],
    keep_edge: Bool[np.ndarray, " edge"] | None = None,
    flow: Flow | None = None,
) -> Scores:
    """The scores of a chosen part of a graph; all that is left out counts as error.

    Contributions that are left out add up, with their signs, to the error of their own (layer, position): the
    scores are those of a trace without these features. For a pruned graph they are lower bounds, because the
    error of the earlier pruning is added without signs. Keeping the whole graph gives its own scores exactly.
    """
    flow = flow or measure_flow(graph)
    error = error_of_part(graph, keep_node, keep_edge)
    edges, _ = _edges_of_part(graph, keep_node, keep_edge)
    influence, total = node_influence(
        np.searchsorted(edges, graph.edge_offset),
        graph.edge_source[edges],
        graph.edge_weight[edges],
        flow.target_weight,
        flow.level,
        other_input=error,
    )
    outflow = np.where(keep_node, influence + flow.target_weight, 0)
    reached_error = (safe_divide(error, total) * outflow).sum()
    return _scores(
        token=influence[graph.of_kind(NodeKind.TOKEN)].sum(),
        error=reached_error,
        everything=outflow.sum() + reached_error,
    )


def error_of_part(
    graph: GraphArrays,
    keep_node: Bool[np.ndarray, " node"],
    keep_edge: Bool[np.ndarray, " edge"] | None = None,
) -> Float64[np.ndarray, " node"]:
    """The error in each row of a chosen part; zero for rows that are not kept.

    It is the sum over (layer, position) of the absolute net contribution of error nodes and of all that is
    left out, plus the error of an earlier pruning (`Graph.node_left_out`).
    """
    _, left_out = _edges_of_part(graph, keep_node, keep_edge)
    if graph.node_left_out is None:
        return _error_by_row(graph, left_out)
    counted = graph.node_kind[graph.edge_source[left_out]] == NodeKind.ERROR
    return np.where(keep_node, graph.node_left_out, 0) + _error_by_row(graph, left_out[~counted])


def _edges_of_part(
    graph: GraphArrays, keep_node: Bool[np.ndarray, " node"], keep_edge: Bool[np.ndarray, " edge"] | None
) -> tuple[Int64[np.ndarray, " kept"], Int64[np.ndarray, " left_out"]]:
    """Edges into kept nodes: from kept features and tokens, and all others (both sorted)."""
    edges = np.flatnonzero(np.repeat(keep_node, np.diff(graph.edge_offset)))
    kept = (keep_node & (graph.node_kind != NodeKind.ERROR))[graph.edge_source[edges]]
    if keep_edge is not None:
        kept &= keep_edge[edges]
    return edges[kept], edges[~kept]


def _error_by_row(graph: GraphArrays, edges: Int64[np.ndarray, " left_out"]) -> Float64[np.ndarray, " node"]:
    """Sum over (layer, position) of the absolute net contribution of the given edges (sorted), per row."""
    n_positions = int(graph.node_position.max(initial=0)) + 1
    cell = (graph.node_layer.astype(np.int64) + 1) * n_positions + graph.node_position
    n_cells = int(cell.max(initial=0)) + 1
    offset = np.searchsorted(edges, graph.edge_offset)
    rows = np.flatnonzero(np.diff(offset))
    begins = np.append(offset[rows], len(edges))
    error = np.zeros(graph.n_nodes)
    block = max(1, MOST_CELLS_AT_ONCE // n_cells)
    for first in range(0, len(rows), block):
        here = rows[first : first + block]
        inside = edges[begins[first] : begins[first + len(here)]]
        row = np.repeat(np.arange(len(here)), np.diff(offset)[here])
        net = np.bincount(
            row * n_cells + cell[graph.edge_source[inside]],
            weights=graph.edge_weight[inside],
            minlength=len(here) * n_cells,
        )
        error[here] = np.abs(net).reshape(len(here), n_cells).sum(axis=1)
    return error


def _scores(token: float, error: float, everything: float) -> Scores:
    """Scores from the influence of tokens, of errors, and of all nodes plus the targets' weights.

    The influence of all error nodes equals the sum of every node's share of input from errors, weighted by
    the influence through that node.
    """
    return Scores(
        replacement=float(token / (token + error)) if token + error > 0 else 0.0,
        completeness=float(1 - error / everything) if everything > 0 else 0.0,
    )
