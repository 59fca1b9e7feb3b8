"""Replacement and completeness against their plain dense definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.graph import scores as scores_module
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import measure_flow
from clew.graph.info import Scores
from clew.graph.scores import scores, scores_of_part
from tests.graph.random_graphs import random_graph
from tests.graph.test_influence import (
    dense_influence,
    dense_shares,
    dense_weights,
    with_edges_inside_layers,
    with_weights,
)


def dense_scores(matrix: np.ndarray, kind: np.ndarray, target_weight: np.ndarray) -> Scores:
    """Both definitions, word for word."""
    found = dense_influence(matrix, target_weight)
    token, error = found[kind == NodeKind.TOKEN].sum(), found[kind == NodeKind.ERROR].sum()
    not_from_errors = 1 - dense_shares(matrix)[:, kind == NodeKind.ERROR].sum(axis=1)
    outflow = found + target_weight
    return Scores(
        replacement=float(token / (token + error)) if token + error > 0 else 0.0,
        completeness=float((not_from_errors * outflow).sum() / outflow.sum()) if outflow.sum() > 0 else 0.0,
    )


def dense_scores_of_part(graph: Graph, keep_node: np.ndarray, keep_edge: np.ndarray) -> Scores:
    """Scores of a larger graph, where a new error node per (layer, position) has all that is left out."""
    weights = dense_weights(graph)
    weights[~keep_node] = 0
    stays = np.zeros_like(weights, dtype=bool)
    stays[graph.edge_target[keep_edge], graph.edge_source[keep_edge]] = True
    stays &= keep_node & (graph.node_kind != NodeKind.ERROR)

    place = list(zip(graph.node_layer.tolist(), graph.node_position.tolist(), strict=True))
    places = sorted(set(place))
    merged = np.zeros((graph.n_nodes + len(places),) * 2)
    merged[: graph.n_nodes, : graph.n_nodes] = np.where(stays, weights, 0)
    for node in range(graph.n_nodes):
        column = graph.n_nodes + places.index(place[node])
        merged[: graph.n_nodes, column] += np.where(stays, 0, weights)[:, node]
    kind = np.concatenate([graph.node_kind, np.full(len(places), NodeKind.ERROR)])
    weight = np.where(keep_node, graph.target_weight, 0).astype(np.float64)
    return dense_scores(merged, kind, np.concatenate([weight, np.zeros(len(places))]))


def assert_same(found: Scores, expected: Scores, precision: float = 1e-9) -> None:
    assert found.replacement == pytest.approx(expected.replacement, abs=precision)
    assert found.completeness == pytest.approx(expected.completeness, abs=precision)


def all_nodes(graph: Graph) -> np.ndarray:
    return np.ones(graph.n_nodes, dtype=bool)


def one_of_each() -> tuple[Graph, int, int, int, int]:
    """A target that reads a feature (1), an error (1) and a token (2); the feature reads the token."""
    graph = random_graph(n_layers=1, n_positions=1, per_cell=1, n_targets=1)
    feature, error, token, target = (int(graph.of_kind(kind)[0]) for kind in NodeKind)
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    matrix[target, [feature, error, token]] = [1.0, -1.0, 2.0]
    matrix[feature, token] = 3.0
    return with_weights(graph, matrix), feature, error, token, target


sizes = {
    "seed": st.integers(0, 2**32),
    "n_layers": st.integers(1, 4),
    "n_positions": st.integers(1, 4),
    "per_cell": st.integers(0, 4),
    "n_targets": st.integers(0, 3),
    "density": st.floats(0, 1),
}


@given(**sizes)
def test_scores_of_a_whole_graph(**size):
    graph = random_graph(**size)
    assert_same(scores(graph), dense_scores(dense_weights(graph), graph.node_kind, graph.target_weight))


@given(**sizes)
def test_scores_of_a_graph_with_edges_inside_layers(**size):
    graph = with_edges_inside_layers(random_graph(**size), size["seed"])
    assert_same(scores(graph), dense_scores(dense_weights(graph), graph.node_kind, graph.target_weight))


def test_tokens_and_errors_count_as_complete():
    """Influence: feature 1/4, error 1/4, token 1/2 + 1/4; the target (1) alone has input from errors."""
    graph, *_ = one_of_each()
    found = scores(graph)
    assert found.replacement == pytest.approx(0.75 / (0.75 + 0.25))
    assert found.completeness == pytest.approx((0.25 + 0.25 + 0.75 + 1 * 0.75) / (0.25 + 0.25 + 0.75 + 1))


def test_a_known_flow_need_not_be_measured_again():
    graph = random_graph()
    assert scores(graph, measure_flow(graph)) == scores(graph)


def test_a_graph_without_edges_explains_nothing():
    graph = random_graph(density=0)
    assert scores(graph) == Scores(replacement=0.0, completeness=1.0)


@given(part=st.randoms(use_true_random=False), **sizes)
def test_scores_of_a_part(part, **size):
    graph = random_graph(**size)
    keep_node = np.array([part.random() < 0.7 for _ in range(graph.n_nodes)], dtype=bool)
    keep_edge = np.array([part.random() < 0.7 for _ in range(graph.n_edges)], dtype=bool)
    expected = dense_scores_of_part(graph, keep_node, keep_edge)
    assert_same(scores_of_part(graph, keep_node, keep_edge), expected)


@given(part=st.randoms(use_true_random=False), **sizes)
def test_scores_of_a_part_with_edges_inside_layers(part, **size):
    graph = with_edges_inside_layers(random_graph(**size), size["seed"])
    keep_node = np.array([part.random() < 0.7 for _ in range(graph.n_nodes)], dtype=bool)
    expected = dense_scores_of_part(graph, keep_node, np.ones(graph.n_edges, dtype=bool))
    assert_same(scores_of_part(graph, keep_node), expected)


@given(part=st.randoms(use_true_random=False), **sizes)
def test_features_left_out_count_as_if_they_had_never_been_found(part, **size):
    """A trace that knows fewer features has their contributions, signs and all, in its error nodes."""
    graph = random_graph(**size)
    errors, features = graph.of_kind(NodeKind.ERROR), graph.of_kind(NodeKind.FEATURE)
    error_at = {(graph.node_layer[e], graph.node_position[e]): e for e in errors}
    keep_node, matrix = all_nodes(graph), dense_weights(graph)
    for feature in [f for f in features if part.random() < 0.5]:
        keep_node[feature] = False
        matrix[:, error_at[graph.node_layer[feature], graph.node_position[feature]]] += matrix[:, feature]
        matrix[feature] = matrix[:, feature] = 0
    found = scores_of_part(graph, keep_node)
    assert_same(found, scores(with_weights(graph, matrix)), precision=1e-6)


@given(**sizes)
def test_scores_of_everything_are_those_of_the_graph(**size):
    graph = random_graph(**size)
    assert_same(scores_of_part(graph, all_nodes(graph)), scores(graph))
    assert_same(scores_of_part(graph, all_nodes(graph), np.ones(graph.n_edges, dtype=bool)), scores(graph))


def test_a_feature_left_out_may_cancel_its_error():
    """The target reads +1 from the feature and -1 from the error: without the feature, no error is left."""
    graph, feature, *_ = one_of_each()
    keep_node = all_nodes(graph)
    keep_node[feature] = False
    assert_same(scores_of_part(graph, keep_node), Scores(replacement=1.0, completeness=1.0))


def test_edges_from_tokens_that_are_left_out_count_as_error():
    graph, _, _, token, target = one_of_each()
    keep_edge = ~((graph.edge_source == token) & (graph.edge_target == target))
    found = scores_of_part(graph, all_nodes(graph), keep_edge)
    # Of the target's input, 1/4 is the feature's (and so the token's), 3/4 are errors of two places.
    assert_same(found, Scores(replacement=0.25, completeness=1 - 0.75 / (1 + 0.25 + 0.75 + 0.25)))


def test_an_error_node_cannot_be_left_out():
    graph, _, error, *_ = one_of_each()
    keep_node = all_nodes(graph)
    keep_node[error] = False
    assert_same(scores_of_part(graph, keep_node), scores(graph))


def test_many_rows_are_added_up_a_block_at_a_time(monkeypatch):
    graph = random_graph()
    keep_node = graph.node_kind != NodeKind.FEATURE
    keep_node[::2] = True
    at_once = scores_of_part(graph, keep_node)
    monkeypatch.setattr(scores_module, "MOST_CELLS_AT_ONCE", 40)
    assert scores_of_part(graph, keep_node) == at_once
