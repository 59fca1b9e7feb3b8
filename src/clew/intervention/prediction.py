"""Predictions of a graph for a change, before anything is run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from clew.errors import ClewError
from clew.feature import FeatureAt
from clew.graph.graph import Graph, NodeKind


def feature_nodes(graph: Graph) -> dict[FeatureAt, int]:
    """The node of each feature that the graph holds."""
    return {graph.feature_at(node): node for node in graph.of_kind(NodeKind.FEATURE).tolist()}


def predicted_changes(
    graph: Graph,
    change: Mapping[FeatureAt, float],
    *,
    directly: bool,
    passes_on: Mapping[FeatureAt, float] | None = None,
) -> tuple[Float64[np.ndarray, " node"], int]:
    """The change of every node's value, and the number of changed features that the graph does not hold.

    `change` holds changes of activations. `directly` follows single edges. Otherwise changes follow all
    paths: each feature passes on all that it receives; a changed feature passes on its own change and the
    share `passes_on` (by default none) of what it receives. Raises `ClewError` for a graph without
    activations.
    """
    features, nodes = graph.of_kind(NodeKind.FEATURE), feature_nodes(graph)
    activation = graph.node_activation.astype(np.float64)
    if not np.isfinite(activation[features]).all():
        raise ClewError("This graph holds no activations, so it predicts nothing.")
    own = {nodes[feature]: amount for feature, amount in change.items() if feature in nodes}
    share = {nodes[feature]: part for feature, part in (passes_on or {}).items() if feature in nodes}
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
