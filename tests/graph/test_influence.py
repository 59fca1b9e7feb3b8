"""Influence against its plain definition: `w N (I - N)^-1`, solved densely."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import cumulative_share, edge_shares, influence, measure_flow, row_sums
from clew.graph.info import GraphInfo, Target
from tests.graph.random_graphs import random_graph


def dense_weights(graph: Graph) -> np.ndarray:
    """Direct effects as a matrix: rows are targets, columns sources."""
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    np.add.at(matrix, (graph.edge_target, graph.edge_source), graph.edge_weight)
    return matrix


def dense_shares(matrix: np.ndarray) -> np.ndarray:
    """`N`: absolute weights, each row divided by its sum; rows of zeros stay zero."""
    magnitude = np.abs(matrix)
    total = magnitude.sum(axis=1, keepdims=True)
    return magnitude / np.where(total == 0, 1, total)


def dense_influence(matrix: np.ndarray, target_weight: np.ndarray) -> np.ndarray:
    """`w (N + N^2 + ...) = w N (I - N)^-1`."""
    shares = dense_shares(matrix)
    identity = np.eye(len(matrix))
    return np.linalg.solve((identity - shares).T, shares.T @ target_weight.astype(np.float64))


def with_weights(graph: Graph, matrix: np.ndarray) -> Graph:
    """The same nodes with other edges: the nonzero entries of a dense matrix."""
    target, source = np.nonzero(matrix)
    return replace(
        graph,
        edge_offset=np.searchsorted(target, np.arange(graph.n_nodes + 1)),
        edge_source=source.astype(np.int32),
        edge_weight=matrix[target, source].astype(np.float32),
    )


def with_edges_inside_layers(graph: Graph, seed: int) -> Graph:
    """Further edges between features of one layer, as attention features have: no cycle, no layering."""
    rng = np.random.default_rng(seed)
    features = graph.of_kind(NodeKind.FEATURE)
    order = rng.permutation(features)
    matrix = dense_weights(graph)
    for rank, target in enumerate(order):
        peers = order[:rank][graph.node_layer[order[:rank]] == graph.node_layer[target]]
        chosen = peers[rng.random(len(peers)) < 0.5]
        matrix[target, chosen] = rng.normal(size=len(chosen))
    return with_weights(graph, matrix)


def assert_influence_is_the_dense_solve(graph: Graph) -> None:
    expected = dense_influence(dense_weights(graph), graph.target_weight)
    np.testing.assert_allclose(influence(graph), expected, rtol=1e-9, atol=1e-12)


sizes = {
    "seed": st.integers(0, 2**32),
    "n_layers": st.integers(1, 5),
    "n_positions": st.integers(1, 4),
    "per_cell": st.integers(0, 4),
    "n_targets": st.integers(0, 4),
    "density": st.floats(0, 1),
}


@given(**sizes)
def test_influence_of_a_layered_graph_is_the_dense_solve(**size):
    assert_influence_is_the_dense_solve(random_graph(**size))


@given(**sizes)
def test_influence_of_a_graph_with_edges_inside_layers_is_the_dense_solve(**size):
    assert_influence_is_the_dense_solve(with_edges_inside_layers(random_graph(**size), size["seed"]))


@given(st.integers(0, 2**32))
def test_rows_of_zeros_pass_nothing_on(seed):
    graph = random_graph(seed)
    matrix = dense_weights(graph)
    features = graph.of_kind(NodeKind.FEATURE)
    matrix[features[::2]] = 0
    silent = replace(graph, edge_weight=matrix[graph.edge_target, graph.edge_source].astype(np.float32))
    assert silent.n_edges == graph.n_edges  # edges of weight zero are edges all the same
    assert_influence_is_the_dense_solve(silent)


def test_edges_that_skip_layers_carry_influence_as_well():
    """The token reaches the target directly, through layer 2, and through layers 0 and 2."""
    graph = random_graph(n_layers=3, n_positions=1, per_cell=1, n_targets=1)
    low, _, high = graph.of_kind(NodeKind.FEATURE)
    (token,), (target,) = graph.of_kind(NodeKind.TOKEN), graph.of_kind(NodeKind.TARGET)
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    matrix[target, [high, token]] = [3.0, -1.0]
    matrix[high, [low, token]] = [1.0, 1.0]
    matrix[low, token] = -5.0
    found = influence(with_weights(graph, matrix))
    assert found[high] == 0.75
    assert found[low] == 0.375
    assert found[token] == 1.0


def test_each_target_counts_by_its_weight():
    graph = random_graph(n_layers=1, n_positions=1, per_cell=2, n_targets=2)
    first, second = graph.of_kind(NodeKind.FEATURE)
    targets = graph.of_kind(NodeKind.TARGET)
    activation = graph.node_activation.copy()
    activation[targets] = [0.75, 0.125]
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    matrix[targets[0], first] = -2.0
    matrix[targets[1], [first, second]] = [1.0, 3.0]
    found = influence(replace(with_weights(graph, matrix), node_activation=activation))
    assert found[first] == 0.75 + 0.125 / 4
    assert found[second] == 0.125 * 3 / 4
    assert found[targets].tolist() == [0.0, 0.0]


def test_a_lone_node_has_no_influence():
    graph = Graph(
        node_kind=np.array([NodeKind.TARGET], dtype=np.uint8),
        node_layer=np.array([2], dtype=np.int16),
        node_position=np.zeros(1, dtype=np.int32),
        node_feature=np.array([7]),
        node_activation=np.ones(1, dtype=np.float32),
        node_influence=np.zeros(1, dtype=np.float32),
        edge_offset=np.zeros(2, dtype=np.int64),
        edge_source=np.zeros(0, dtype=np.int32),
        edge_weight=np.zeros(0, dtype=np.float32),
        token_ids=np.array([7]),
        info=GraphInfo(prompt="hi", tokens=("hi",), targets=(Target("x", 7, 1.0, 1.0),)),
    )
    assert influence(graph).tolist() == [0.0]


@given(**sizes)
def test_edge_shares_are_the_normalised_rows(**size):
    graph = random_graph(**size)
    expected = dense_shares(dense_weights(graph))[graph.edge_target, graph.edge_source]
    np.testing.assert_allclose(edge_shares(graph), expected, rtol=1e-9)


@given(**sizes)
def test_the_flow_through_all_edges_out_of_a_node_is_its_influence(**size):
    graph = random_graph(**size)
    flow = measure_flow(graph)
    carried = np.abs(graph.edge_weight) * flow.per_weight[graph.edge_target]
    found = np.bincount(graph.edge_source, weights=carried, minlength=graph.n_nodes)
    np.testing.assert_allclose(found, flow.influence, rtol=1e-9, atol=1e-12)


def test_cumulative_share_grows_from_the_strongest_node_down():
    assert cumulative_share(np.array([1.0, 5.0, 0.0, 2.0])).tolist() == pytest.approx([1, 0.625, 1, 0.875])


def test_cumulative_share_of_no_influence_at_all_is_zero():
    assert cumulative_share(np.zeros(3)).tolist() == [0, 0, 0]


def test_row_sums_skip_empty_rows():
    values, offset = np.array([1, 2, 4], dtype=np.float32), np.array([0, 0, 2, 2, 3, 3])
    assert row_sums(values, offset).tolist() == [0, 3, 0, 4, 0]
