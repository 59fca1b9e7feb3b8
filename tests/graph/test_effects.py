"""Effects over all paths against a sum over every path, and what cannot be foretold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import direct_effects, total_effects

from .random_graphs import random_graph


def dense(graph: Graph) -> np.ndarray:
    """`[target, source]`."""
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    matrix[graph.edge_target, graph.edge_source] = graph.edge_weight
    return matrix


@given(st.integers(0, 200))
def test_effects_are_a_dense_solve(seed: int):
    graph = random_graph(seed)
    features, targets = graph.of_kind(NodeKind.FEATURE), graph.of_kind(NodeKind.TARGET)
    weight = dense(graph)
    passing = np.zeros_like(weight)
    passing[features] = weight[features] / graph.node_activation[features].astype(np.float64)[:, None]
    over_all_paths = weight[targets] @ np.linalg.inv(np.eye(graph.n_nodes) - passing)
    np.testing.assert_allclose(direct_effects(graph), weight[targets])
    np.testing.assert_allclose(total_effects(graph), over_all_paths, rtol=1e-6, atol=1e-9)


def test_without_activations_nothing_is_foretold():
    graph = random_graph(0)
    missing = np.where(graph.node_kind == NodeKind.FEATURE, np.nan, graph.node_activation)
    with pytest.raises(ClewError, match="no activations"):
        total_effects(replace(graph, node_activation=missing.astype(np.float32)))
