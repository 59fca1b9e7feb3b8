"""The edges of one node, from the whole of a stored graph."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from clew.server.open_graphs import OpenGraph
from clew.server.refusal import Refusal


def edges_of(opened: OpenGraph, node_id: str, direction: Literal["in", "out"], count: int) -> dict[str, Any]:
    """The strongest edges into or out of a node, and what the others come to."""
    graph, node = opened.graph, opened.nodes.get(node_id)
    if node is None:
        raise Refusal(404, f"The graph has no node {node_id[:60]!a}.")
    if direction == "in":
        edges = np.arange(graph.edge_offset[node], graph.edge_offset[node + 1])
        others = graph.edge_source[edges]
    else:
        edges = np.flatnonzero(graph.edge_source == node)
        others = np.searchsorted(graph.edge_offset, edges, side="right") - 1
    size = np.abs(graph.edge_weight[edges])
    order = np.argsort(-size, kind="stable")
    shown, rest = order[:count], order[count:]
    return {
        "total": len(edges),
        "edges": [
            {
                "node": opened.node_ids[others[edge]],
                "name": graph.node_name(int(others[edge])),
                "weight": float(graph.edge_weight[edges[edge]]),
            }
            for edge in shown.tolist()
        ],
        "rest": {"count": len(rest), "weight_absolute": float(size[rest].sum(dtype=np.float64))},
    }
