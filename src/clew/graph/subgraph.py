"""A part of a graph as a graph of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from clew.graph.arrays import G, GraphArrays, OutputTokens
from clew.graph.scores import error_of_part


def subgraph(graph: G, keep_node: Bool[np.ndarray, " node"], keep_edge: Bool[np.ndarray, " edge"]) -> G:
    """The kept nodes and the kept edges between them, renumbered; scores and settings stay as they are.

    `node_left_out` holds the error of what is missing from each row, unless the graph itself lacks it.
    """
    new_index = np.cumsum(keep_node) - 1
    edges = np.flatnonzero(keep_edge & np.repeat(keep_node, np.diff(graph.edge_offset)))
    edges = edges[keep_node[graph.edge_source[edges]]]
    per_target = np.diff(np.searchsorted(edges, graph.edge_offset))[keep_node]
    return replace(
        graph,
        node_kind=graph.node_kind[keep_node],
        node_layer=graph.node_layer[keep_node],
        node_position=graph.node_position[keep_node],
        node_feature=graph.node_feature[keep_node],
        node_activation=graph.node_activation[keep_node],
        node_influence=graph.node_influence[keep_node],
        edge_offset=np.concatenate([[0], np.cumsum(per_target)]).astype(np.int64),
        edge_source=new_index[graph.edge_source[edges]].astype(np.int32),
        edge_weight=graph.edge_weight[edges],
        output_tokens=_kept_output_tokens(graph.output_tokens, keep_node, new_index),
        node_constant=None,
        node_total=None,
        node_left_out=_left_out(graph, keep_node, keep_edge),
        foreign=_kept_foreign(graph.foreign, keep_node),
    )


def _left_out(graph: GraphArrays, keep_node: np.ndarray, keep_edge: np.ndarray) -> np.ndarray | None:
    """The error in each kept row; None if an older version, which did not keep it, pruned the graph."""
    if graph.info.whole is not None and graph.node_left_out is None:
        return None
    return error_of_part(graph, keep_node, keep_edge)[keep_node].astype(np.float32)


def _kept_output_tokens(
    described: OutputTokens | None, keep_node: np.ndarray, new_index: np.ndarray
) -> OutputTokens | None:
    if described is None:
        return None
    rows = keep_node[described.node]
    return OutputTokens(
        node=new_index[described.node[rows]].astype(np.int32),
        token=described.token[rows],
        logit=described.logit[rows],
    )


def _kept_foreign(foreign: dict[str, Any] | None, keep_node: np.ndarray) -> dict[str, Any] | None:
    if foreign is None or "nodes" not in foreign:
        return foreign
    return {
        **foreign,
        "nodes": [item for item, keep in zip(foreign["nodes"], keep_node, strict=True) if keep],
    }
