"""Arithmetic and memory that a graph needs, counted from the graph itself."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from clew.graph.graph import Graph, NodeKind
from clew.model.language_model import LanguageModel


def reach_and_depth(graph: Graph, direction: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions and layers that each column of a sweep passes through."""
    layer, position = graph.node_layer.astype(np.int64), graph.node_position.astype(np.int64)
    is_target = graph.node_kind == NodeKind.TARGET
    if direction == "backward":
        columns = is_target | (graph.node_kind == NodeKind.FEATURE)
        return position[columns] + 1, layer[columns]
    return len(graph.token_ids) - position[~is_target], graph.n_layers - 1 - layer[~is_target]


def sweep_layer_positions(graph: Graph) -> tuple[int, int]:
    """Layers times positions carried by a backward and by a forward sweep."""
    backward, forward = (reach_and_depth(graph, direction) for direction in ("backward", "forward"))
    return int((backward[0] * backward[1]).sum()), int((forward[0] * forward[1]).sum())


def needed_flops(graph: Graph, model: LanguageModel, *, crosses_layers: bool = False) -> float:
    """Operations that the cheaper sweep cannot do without: its matrix products and the read-offs."""
    backward, forward = sweep_layer_positions(graph)
    reach, depth = reach_and_depth(graph, "backward" if backward <= forward else "forward")
    layer = model.layers[0]
    head_width, value_width = layer.output.weight.shape[1], layer.value.weight.shape[0]
    per_position = 2 * model.d_model * (head_width + value_width)
    mixing = head_width * reach * (reach + 1)
    products = float((depth * (reach * per_position + mixing)).sum())
    # A cross-layer feature is read off at each layer that it writes to; on the way up, it only joins there.
    each = writes_between(graph) if crosses_layers and backward <= forward else graph.n_edges
    return products + 2.0 * model.d_model * each


def writes_between(graph: Graph) -> int:
    """The number of layers at which the source writes below the target, over all edges."""
    layer, is_feature = graph.node_layer.astype(np.int64), graph.node_kind == NodeKind.FEATURE
    target = np.repeat(np.arange(graph.n_nodes), np.diff(graph.edge_offset))
    between = layer[target] - layer[graph.edge_source]
    return int(np.where(is_feature[graph.edge_source], between, 1).sum())


def graph_bytes(graph: Graph) -> int:
    return sum(value.nbytes for f in fields(graph) if isinstance(value := getattr(graph, f.name), np.ndarray))
