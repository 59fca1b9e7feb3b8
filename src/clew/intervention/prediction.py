"""What a graph says that a change will do, before anything is run."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind


def predicted_changes(
    graph: Graph, change: dict[tuple[int, int, int], float], *, directly: bool
) -> tuple[Float64[np.ndarray, " node"], int]:
    """The change of every node's value, and how many of the changed features the graph does not hold.

    `change` holds changes of activations by layer, position and index. `directly` follows single edges;
    otherwise all paths, each feature passing on what it receives and each changed one only its own change.
    Raises `ClewError` for a graph without activations.
    """
    features = graph.of_kind(NodeKind.FEATURE)
    keys = zip(
        graph.node_layer[features].tolist(),
        graph.node_position[features].tolist(),
        graph.node_feature[features].tolist(),
        strict=True,
    )
    place = dict(zip(keys, features.tolist(), strict=True))
    activation = graph.node_activation.astype(np.float64)
    if not np.isfinite(activation[features]).all():
        raise ClewError("This graph holds no activations, so it predicts nothing.")
    moved = np.zeros(graph.n_nodes)
    own = {place[key]: amount for key, amount in change.items() if key in place}
    for node, amount in own.items():
        moved[node] = amount
    per_unit = np.zeros(graph.n_nodes)
    per_unit[features] = 1 / activation[features]
    passing = moved if directly else None
    result = np.zeros(graph.n_nodes)
    for node in np.flatnonzero(np.diff(graph.edge_offset)):
        edges = slice(graph.edge_offset[node], graph.edge_offset[node + 1])
        source = graph.edge_source[edges]
        given = moved if passing is None else passing
        result[node] = graph.edge_weight[edges] @ (given[source] * per_unit[source])
        if not directly and node not in own:
            moved[node] = result[node]
    for node, amount in own.items():
        result[node] = amount
    return result, len(change) - len(own)
