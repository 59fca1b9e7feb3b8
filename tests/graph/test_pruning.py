"""Pruning against a plain dense version of the published steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clew.errors import ClewError
from clew.graph.consistency import check_consistency
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import influence, measure_flow
from clew.graph.info import Scores
from clew.graph.pruning import part_to_read, prune, prune_masks, smallest_kept, subgraph
from clew.graph.scores import scores, scores_of_part
from tests.graph.random_graphs import random_graph
from tests.graph.test_influence import (
    dense_influence,
    dense_shares,
    dense_weights,
    with_edges_inside_layers,
    with_weights,
)


def assert_close(found: Scores | None, expected: Scores | None) -> None:
    assert found is not None
    assert expected is not None
    assert found.replacement == pytest.approx(expected.replacement, rel=1e-6, abs=1e-9)
    assert found.completeness == pytest.approx(expected.completeness, rel=1e-6, abs=1e-9)


def dense_flow(matrix: np.ndarray, target_weight: np.ndarray) -> np.ndarray:
    """Influence carried by each edge: its share of its target, times the influence that arrives there."""
    arriving = dense_influence(matrix, target_weight) + target_weight
    return dense_shares(matrix) * arriving[:, None]


def strongest(values: np.ndarray, threshold: float) -> np.ndarray:
    """The members of the smallest set that adds up to `threshold` of the whole.

    Where several values equal the smallest one that is needed, which of them are "in" hangs on
    rounding; such examples are passed over.
    """
    assume(values.any())
    ordered = np.sort(values.ravel())[::-1]
    reached = np.cumsum(ordered) / ordered.sum()
    last = int(np.argmax(reached >= threshold)) if threshold < 1 else np.count_nonzero(ordered) - 1
    others = np.delete(ordered, last)
    assume(not np.isclose(others, ordered[last], rtol=1e-6, atol=0).any())
    assume(threshold == 1 or np.abs(reached - threshold).min() > 1e-9)
    return values >= ordered[last] * (1 - 1e-9)


def dense_prune(graph: Graph, node_threshold: float, edge_threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The published algorithm, step by step, on matrices; returns the masks of nodes and of edges."""
    matrix, weight = dense_weights(graph), graph.target_weight.astype(np.float64)
    found = dense_influence(matrix, weight)
    is_feature = graph.node_kind == NodeKind.FEATURE
    may_go = is_feature | (graph.node_kind == NodeKind.ERROR)

    keep_node = strongest(found, node_threshold) | ~may_go
    matrix = matrix * keep_node[:, None] * keep_node[None, :]
    keep_edge = strongest(dense_flow(matrix, weight), edge_threshold)
    while True:
        without_output = may_go & ~keep_edge.any(axis=0)
        without_input = is_feature & ~keep_edge.any(axis=1)
        gone = keep_node & (without_output | without_input)
        if not gone.any():
            return keep_node, keep_edge
        keep_node &= ~gone
        keep_edge &= keep_node[:, None] & keep_node[None, :]


def masks(graph: Graph, node_threshold: float, edge_threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The part that `prune_masks` keeps, the edges as a matrix."""
    keep_node, keep_edge = prune_masks(graph, measure_flow(graph), node_threshold, edge_threshold)
    kept = np.zeros((graph.n_nodes, graph.n_nodes), dtype=bool)
    kept[graph.edge_target[keep_edge], graph.edge_source[keep_edge]] = True
    return keep_node, kept


sizes = {
    "seed": st.integers(0, 2**32),
    "n_layers": st.integers(1, 4),
    "n_positions": st.integers(1, 4),
    "per_cell": st.integers(1, 4),
    "n_targets": st.integers(1, 3),
    "density": st.floats(0.1, 1),
}
thresholds = st.sampled_from([0.3, 0.5, 0.8, 0.9, 0.98, 1.0])


@given(node_threshold=thresholds, edge_threshold=thresholds, **sizes)
def test_pruning_follows_the_published_steps(node_threshold, edge_threshold, **size):
    graph = random_graph(**size)
    keep_node, keep_edge = masks(graph, node_threshold, edge_threshold)
    expected_node, expected_edge = dense_prune(graph, node_threshold, edge_threshold)
    np.testing.assert_array_equal(keep_node, expected_node)
    np.testing.assert_array_equal(keep_edge, expected_edge)


@given(node_threshold=thresholds, edge_threshold=thresholds, **sizes)
def test_pruning_a_graph_with_edges_inside_layers(node_threshold, edge_threshold, **size):
    graph = with_edges_inside_layers(random_graph(**size), size["seed"])
    keep_node, keep_edge = masks(graph, node_threshold, edge_threshold)
    expected_node, expected_edge = dense_prune(graph, node_threshold, edge_threshold)
    np.testing.assert_array_equal(keep_node, expected_node)
    np.testing.assert_array_equal(keep_edge, expected_edge)


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3))
def test_thresholds_of_one_keep_everything_with_influence(seed, n_layers, n_positions, n_targets):
    graph = random_graph(seed, n_layers, n_positions, n_targets=n_targets, density=1)
    silent = graph.node_position < n_positions - 1
    matrix = dense_weights(graph)
    matrix[:, silent & (graph.node_layer == n_layers - 1)] = 0  # so some nodes lead nowhere
    graph = with_weights(graph, matrix)
    flow = measure_flow(graph)
    keep_node, keep_edge = prune_masks(graph, flow, 1.0, 1.0)
    fixed = np.isin(graph.node_kind, [NodeKind.TOKEN, NodeKind.TARGET])
    np.testing.assert_array_equal(keep_node, fixed | (flow.influence > 0))
    np.testing.assert_array_equal(keep_edge, flow.per_weight[graph.edge_target] > 0)


def test_thresholds_of_one_keep_even_what_rounding_would_swallow():
    graph = random_graph(n_layers=1, n_positions=1, per_cell=0, n_targets=1)
    (error,), (token,) = graph.of_kind(NodeKind.ERROR), graph.of_kind(NodeKind.TOKEN)
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    matrix[graph.of_kind(NodeKind.TARGET)[0], [error, token]] = [1e-20, 1.0]
    graph = with_weights(graph, matrix)
    pruned = prune(graph, 1.0, 1.0)
    assert (pruned.n_nodes, pruned.n_edges) == (3, 2)


@given(node_threshold=thresholds, edge_threshold=thresholds, **sizes)
def test_tokens_and_targets_always_stay(node_threshold, edge_threshold, **size):
    graph = random_graph(**size)
    pruned = prune(graph, node_threshold, edge_threshold)
    for kind in (NodeKind.TOKEN, NodeKind.TARGET):
        before, after = graph.of_kind(kind), pruned.of_kind(kind)
        assert [graph.node_id(n) for n in before] == [pruned.node_id(n) for n in after]


@given(node_threshold=thresholds, edge_threshold=thresholds, **sizes)
def test_a_pruned_graph_is_a_sound_graph_with_the_same_edges(node_threshold, edge_threshold, **size):
    graph = random_graph(**size)
    pruned = prune(graph, node_threshold, edge_threshold)
    check_consistency(pruned)
    where = {name: node for node, name in enumerate(graph.node_ids)}
    kept = np.array([where[name] for name in pruned.node_ids])
    weights, before = dense_weights(pruned), dense_weights(graph)[np.ix_(kept, kept)]
    np.testing.assert_array_equal(weights, np.where(weights == 0, 0, before))


def test_kept_nodes_keep_the_influence_of_the_whole_graph():
    graph = random_graph()
    graph = replace(graph, node_influence=influence(graph).astype(np.float32))
    whole = dict(zip(graph.node_ids, graph.node_influence.tolist(), strict=True))
    pruned = prune(graph, 0.5, 0.8)
    assert pruned.n_nodes < graph.n_nodes
    assert pruned.node_influence.tolist() == [whole[name] for name in pruned.node_ids]


@given(node_threshold=thresholds, edge_threshold=thresholds, **sizes)
def test_what_is_left_out_is_the_flow_outside_the_kept_edges(node_threshold, edge_threshold, **size):
    graph = random_graph(**size)
    carried = dense_flow(dense_weights(graph), graph.target_weight.astype(np.float64))
    assume(carried.any())
    _, keep_edge = masks(graph, node_threshold, edge_threshold)
    left_out = 1 - carried[keep_edge].sum() / carried.sum()
    pruned = prune(graph, node_threshold, edge_threshold)
    assert pruned.info.influence_left_out == pytest.approx(left_out, abs=1e-9)


def test_scores_of_the_pruned_graph_count_what_was_left_out_as_error():
    graph = random_graph()
    keep_node, keep_edge = prune_masks(graph, measure_flow(graph), 0.5, 0.8)
    pruned = prune(graph, 0.5, 0.8)
    assert_close(pruned.info.pruned_scores, scores_of_part(graph, keep_node, keep_edge))
    assert pruned.info.pruned_scores != scores(replace(pruned, node_left_out=None))


@given(node_threshold=thresholds, edge_threshold=thresholds, **sizes)
def test_a_pruned_graph_knows_its_scores(node_threshold, edge_threshold, **size):
    graph = random_graph(**size)
    part = prune_masks(graph, measure_flow(graph), node_threshold, edge_threshold)
    pruned = prune(graph, node_threshold, edge_threshold)
    everything = np.ones(pruned.n_nodes, dtype=bool), np.ones(pruned.n_edges, dtype=bool)
    assert_close(scores_of_part(pruned, *everything), scores_of_part(graph, *part))
    assert_close(scores(pruned), pruned.info.pruned_scores)


@given(node_threshold=thresholds, edge_threshold=thresholds, part=st.randoms(use_true_random=False), **sizes)
def test_error_of_a_part_of_a_pruned_graph_is_at_most_over_counted(
    node_threshold, edge_threshold, part, **size
):
    graph = random_graph(**size)
    keep_node, keep_edge = prune_masks(graph, measure_flow(graph), node_threshold, edge_threshold)
    pruned = subgraph(graph, keep_node, keep_edge)
    fewer_nodes = np.array([part.random() < 0.7 for _ in range(pruned.n_nodes)], dtype=bool)
    fewer_edges = np.array([part.random() < 0.7 for _ in range(pruned.n_edges)], dtype=bool)
    # The same part, in terms of the whole graph.
    keep_node[keep_node], keep_edge[keep_edge] = fewer_nodes, fewer_edges
    exact = scores_of_part(graph, keep_node, keep_edge)
    for bound in (
        scores_of_part(pruned, fewer_nodes, fewer_edges),
        scores(subgraph(pruned, fewer_nodes, fewer_edges)),
    ):
        assert bound.replacement <= exact.replacement + 1e-6
        assert bound.completeness <= exact.completeness + 1e-6


def test_pruning_again_has_scores_unless_an_older_clew_pruned_first():
    once = prune(random_graph(), 0.8, 0.98)
    twice = prune(once, 0.5, 0.8)
    before, after = once.info.pruned_scores, twice.info.pruned_scores
    assert before is not None
    assert after is not None
    assert after.completeness < before.completeness
    unknown = prune(replace(once, node_left_out=None), 0.5, 0.8)
    assert unknown.info.pruned_scores is None
    assert unknown.node_left_out is None


def test_pruning_a_pruned_graph_leaves_out_more():
    once = prune(random_graph(), 0.8, 0.98)
    twice = prune(once, 0.5, 0.8)
    check_consistency(twice)
    assert set(twice.node_ids) < set(once.node_ids)
    assert twice.info.influence_left_out > once.info.influence_left_out
    assert twice.info.settings["node_threshold"] == 0.5


def test_what_an_earlier_pruning_left_out_is_not_forgotten():
    once = prune(random_graph(), 0.5, 0.8)
    again = prune(once, 1.0, 1.0)
    assert once.info.influence_left_out > 0
    assert again.info.influence_left_out == pytest.approx(once.info.influence_left_out)


def test_output_tokens_stay_with_their_features():
    graph = random_graph()
    pruned = prune(graph, 0.5, 0.8)
    where = {name: node for node, name in enumerate(graph.node_ids)}
    features = pruned.of_kind(NodeKind.FEATURE)
    assert 0 < len(features) < len(graph.of_kind(NodeKind.FEATURE))
    for node in features:
        assert pruned.output_texts(node) == graph.output_texts(where[pruned.node_id(node)]) != []


def test_edges_of_a_node_that_is_left_out_go_with_it():
    graph = random_graph()
    keep_node = graph.node_kind != NodeKind.ERROR
    keep_node[graph.of_kind(NodeKind.FEATURE)[::2]] = False
    part = subgraph(graph, keep_node, np.ones(graph.n_edges, dtype=bool))
    check_consistency(part)
    np.testing.assert_array_equal(dense_weights(part), dense_weights(graph)[np.ix_(keep_node, keep_node)])


def test_a_graph_without_targets_has_nothing_to_prune_by():
    pruned = prune(random_graph(n_targets=0))
    check_consistency(pruned)
    assert pruned.info.influence_left_out == 0


def test_the_smallest_set_holds_just_enough():
    values = np.array([1.0, 5.0, 1.5, 2.5])
    assert smallest_kept(values, 0.5) == 5.0
    assert smallest_kept(values, 0.6) == 2.5
    assert smallest_kept(values, 0.75) == 2.5
    assert smallest_kept(values, 0.76) == 1.5
    assert smallest_kept(values, 1.0) == 1.0
    assert smallest_kept(np.zeros(0), 0.5) == 0.0


@pytest.mark.parametrize("threshold", [0, -0.1, 1.0001, float("nan")])
def test_thresholds_outside_the_range_are_refused(threshold):
    with pytest.raises(ClewError, match="node_threshold must be a number above 0 and at most 1, not"):
        prune(random_graph(), node_threshold=threshold)
    with pytest.raises(ClewError, match="edge_threshold must be a number above 0 and at most 1, not"):
        prune(random_graph(), edge_threshold=threshold)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (0.8, 0.98)),
        ({"node_threshold": 0.5}, (0.5, 0.98)),
        ({"node_threshold": 0.6, "edge_threshold": 1}, (0.6, 1)),
        ({"node_threshold": 0, "edge_threshold": 1.5}, (0.8, 0.98)),
        ({"node_threshold": "0.5", "edge_threshold": True}, (0.8, 0.98)),
        ({"node_threshold": None, "edge_threshold": float("nan")}, (0.8, 0.98)),
    ],
)
def test_the_thresholds_of_the_trace_are_the_defaults(settings, expected):
    graph = random_graph(density=1.0).with_info(settings=settings)
    pruned = graph.prune()
    assert pruned.node_ids == prune(graph, *expected).node_ids
    assert (pruned.info.settings["node_threshold"], pruned.info.settings["edge_threshold"]) == expected
    assert graph.prune(edge_threshold=0.7).node_ids == prune(graph, expected[0], 0.7).node_ids


def test_the_part_to_read_of_a_pruned_graph_is_the_graph_itself():
    graph = random_graph()
    whole = replace(graph, node_total=np.ones(graph.n_nodes, np.float32))
    assert part_to_read(whole).node_ids == prune(graph).node_ids
    pruned = prune(whole)
    assert part_to_read(pruned) is pruned
    assert part_to_read(graph) is graph  # as another tool made it
