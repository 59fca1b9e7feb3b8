"""What a graph says that a change will do, before anything is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind

Place: TypeAlias = tuple[int, int, int]
"""A feature's layer, position and index."""


def feature_nodes(graph: Graph) -> dict[Place, int]:
    """The node of each feature that the graph holds."""
    features = graph.of_kind(NodeKind.FEATURE)
    columns = (graph.node_layer, graph.node_position, graph.node_feature)
    places = zip(*(column[features].tolist() for column in columns), strict=True)
    return dict(zip(places, features.tolist(), strict=True))


def predicted_changes(
    graph: Graph,
    change: Mapping[Place, float],
    *,
    directly: bool,
    passes_on: Mapping[Place, float] | None = None,
) -> tuple[Float64[np.ndarray, " node"], int]:
    """The change of every node's value, and how many of the changed features the graph does not hold.

    `change` holds changes of activations. `directly` follows single edges; otherwise all paths, where each
    feature passes on what it receives, and a changed one its own change and the share `passes_on` (by
    default none) of what it receives. Raises `ClewError` for a graph without activations.
    """
    features, place = graph.of_kind(NodeKind.FEATURE), feature_nodes(graph)
    activation = graph.node_activation.astype(np.float64)
    if not np.isfinite(activation[features]).all():
        raise ClewError("This graph holds no activations, so it predicts nothing.")
    own = {place[key]: amount for key, amount in change.items() if key in place}
    share = {place[key]: part for key, part in (passes_on or {}).items() if key in place}
    per_unit = np.zeros(graph.n_nodes)
    np.divide(1, activation, out=per_unit, where=(graph.node_kind == NodeKind.FEATURE) & (activation != 0))
    moved = np.zeros(graph.n_nodes)
    for node, amount in own.items():
        moved[node] = amount
    result = moved.copy()
    # Sources stand in lower layers, and so earlier in the order of nodes.
    for node in np.flatnonzero(np.diff(graph.edge_offset)).tolist():
        edges = slice(graph.edge_offset[node], graph.edge_offset[node + 1])
        source = graph.edge_source[edges]
        received = float(graph.edge_weight[edges] @ (moved[source] * per_unit[source]))
        if node not in own:
            result[node] = received
        elif not directly:
            result[node] += share.get(node, 0.0) * received
        if not directly:
            moved[node] = result[node]
    return result, len(change) - len(own)
