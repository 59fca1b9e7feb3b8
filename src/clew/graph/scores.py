"""Replacement and completeness: how much of the targets a graph explains without its error nodes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

from clew.graph.graph import Graph, NodeKind, Scores
from clew.graph.influence import Flow, measure_flow, node_influence, row_sums, safe_divide

MOST_CELLS_AT_ONCE = 4_000_000
"""Bounds the scratch memory of `scores_of_part` to some 32 MB."""


def scores(graph: Graph, flow: Flow | None = None) -> Scores:
    """Both scores of a graph as it stands; definitions in `Scores`.

    Completeness weighs each node by its influence plus its target weight; nodes without inputs
    (tokens, errors) count as complete, as in the published definition. `flow` may be given where it
    is known already.
    """
    flow = flow or measure_flow(graph)
    magnitude = np.where(graph.node_kind[graph.edge_source] == NodeKind.ERROR, np.abs(graph.edge_weight), 0)
    return _scores(
        token=float(flow.found[graph.of_kind(NodeKind.TOKEN)].sum()),
        error=float(flow.found[graph.of_kind(NodeKind.ERROR)].sum()),
        outflow=flow.found + flow.target_weight,
        error_share=safe_divide(row_sums(magnitude, graph.edge_offset), flow.row_total),
    )


def scores_of_part(
    graph: Graph,
    keep_node: Bool[np.ndarray, " node"],
    keep_edge: Bool[np.ndarray, " edge"] | None = None,
    flow: Flow | None = None,
) -> Scores:
    """Both scores of a chosen part: everything left out counts as error of its own (layer, position).

    Contributions left out add up, with their signs, to the error node where they would have been
    written, so the result is that of a trace which had never known the features left out.
    """
    flow = flow or measure_flow(graph)
    rows = np.flatnonzero(keep_node & (flow.row_total > 0))
    counts = np.diff(graph.edge_offset)
    edges = np.flatnonzero(np.repeat(keep_node & (flow.row_total > 0), counts))
    source, target = graph.edge_source[edges], np.repeat(rows, counts[rows])
    kept = keep_node[source] & (graph.node_kind[source] != NodeKind.ERROR)
    if keep_edge is not None:
        kept &= keep_edge[edges]

    error = np.zeros(graph.n_nodes)
    error[rows] = _error_by_row(graph, edges[~kept], np.searchsorted(rows, target[~kept]), len(rows))
    weight = graph.edge_weight[edges[kept]]
    offset = np.concatenate([[0], np.cumsum(np.bincount(target[kept], minlength=graph.n_nodes))])
    total = row_sums(np.abs(weight), offset) + error
    found = node_influence(offset, source[kept], weight, total, flow.target_weight, flow.level)
    outflow = np.where(keep_node, found + flow.target_weight, 0)
    error_share = safe_divide(error, total)
    reached_error = float((error_share * outflow).sum())
    return _scores(
        token=float(found[graph.of_kind(NodeKind.TOKEN)].sum()),
        error=reached_error,
        outflow=np.append(outflow, reached_error),
        error_share=np.append(error_share, 0.0),
    )


def _error_by_row(
    graph: Graph, edges: np.ndarray, row: np.ndarray, n_rows: int
) -> Float64[np.ndarray, " row"]:
    """Sum over (layer, position) of the absolute net contribution of the given edges, per row."""
    source = graph.edge_source[edges]
    n_positions = int(graph.node_position.max()) + 1
    n_cells = (int(graph.node_layer.max()) + 2) * n_positions
    cell = (graph.node_layer[source].astype(np.int64) + 1) * n_positions + graph.node_position[source]
    found = np.zeros(n_rows)
    block = max(1, MOST_CELLS_AT_ONCE // n_cells)
    for first in range(0, n_rows, block):
        last = min(first + block, n_rows)
        begin, end = np.searchsorted(row, [first, last])
        net = np.bincount(
            (row[begin:end] - first) * n_cells + cell[begin:end],
            weights=graph.edge_weight[edges[begin:end]],
            minlength=(last - first) * n_cells,
        )
        found[first:last] = np.abs(net).reshape(last - first, n_cells).sum(axis=1)
    return found


def _scores(token: float, error: float, outflow: np.ndarray, error_share: np.ndarray) -> Scores:
    reached, total = token + error, float(outflow.sum())
    return Scores(
        replacement=token / reached if reached > 0 else 0.0,
        completeness=float(((1 - error_share) * outflow).sum()) / total if total > 0 else 0.0,
    )
