"""Comparisons: a graph with itself, with its mirror image, and with one of a slightly other prompt."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.graph.alignment import aligned_positions
from clew.graph.comparison import Comparison, compare
from clew.graph.graph import Graph, NodeKind
from clew.graph.info import Target
from clew.graph.pruning import subgraph
from tests.graph.random_graphs import random_graph

words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)
sizes = {
    "seed": st.integers(0, 2**32),
    "n_layers": st.integers(1, 3),
    "n_positions": st.integers(1, 4),
    "per_cell": st.integers(0, 4),
    "n_targets": st.integers(0, 3),
}
with_targets = sizes | {"n_targets": st.integers(1, 3)}
"""Sizes with a target, which tells how many layers a model has, however much is left out."""


def part_of(graph: Graph, part, share: float = 0.7) -> Graph:
    """A part of the graph, with other weights, activations and influence, and another token."""
    keep = np.array([part.random() < share for _ in range(graph.n_nodes)], dtype=bool)
    keep |= graph.node_kind == NodeKind.TARGET
    edges = np.array([part.random() < share for _ in range(graph.n_edges)], dtype=bool)
    smaller = subgraph(graph, keep, edges)
    rng = np.random.default_rng(part.randrange(2**32))
    tokens = (*graph.info.tokens[:-1], " another")
    return replace(
        smaller.with_info(tokens=tokens),
        edge_weight=rng.normal(size=smaller.n_edges).astype(np.float32),
        node_influence=rng.random(smaller.n_nodes).astype(np.float32),
    )


def mirrored(comparison: Comparison) -> tuple:
    return sides(comparison, 1)


def sides(comparison: Comparison, left: int = 0) -> tuple:
    """All of a comparison with the sides in order, or swapped."""
    step = -1 if left else 1
    only = (comparison.only_left, comparison.only_right)[::step]
    edges_only = (comparison.edges_only_left, comparison.edges_only_right)[::step]
    nodes = {
        ((pair.left, pair.right)[::step], pair.influence[::step], str(pair.activation[::step]))
        for pair in comparison.nodes
    }
    edges = {(edge.source[::step], edge.target[::step], edge.weight[::step]) for edge in comparison.edges}
    positions = tuple(sorted(pair[::step] for pair in comparison.positions))
    return positions, nodes, only, edges, comparison.n_edges, edges_only


@given(**sizes)
def test_a_graph_is_like_itself(**size):
    graph = random_graph(**size)
    found = compare(graph, graph, edges=graph.n_edges)
    assert found.positions == tuple((position, position) for position in range(len(graph.info.tokens)))
    assert sorted((pair.left, pair.right) for pair in found.nodes) == [(n, n) for n in range(graph.n_nodes)]
    assert all(pair.influence[0] == pair.influence[1] for pair in found.nodes)
    shares = graph.node_influence / (graph.target_weight.sum() or 1)
    assert [pair.influence[0] for pair in found.nodes] == pytest.approx([shares[p.left] for p in found.nodes])
    assert found.only_left == found.only_right == ()
    assert found.n_edges == len(found.edges) == graph.n_edges
    assert all(edge.change == 0 for edge in found.edges)
    assert found.edges_only_left == found.edges_only_right == 0


@given(part=st.randoms(use_true_random=False), **with_targets)
def test_swapping_the_sides_mirrors(part, **size):
    graph = random_graph(**size)
    left, right = part_of(graph, part), part_of(graph, part)
    every = graph.n_edges
    assert sides(compare(left, right, every)) == mirrored(compare(right, left, every))


@given(part=st.randoms(use_true_random=False), **with_targets)
def test_what_is_in_both_and_what_is_not(part, **size):
    graph = random_graph(**size)
    left, right = part_of(graph, part), part_of(graph, part)
    found = compare(left, right, edges=graph.n_edges)
    ids = left.node_ids, right.node_ids
    both = {ids[0][pair.left] for pair in found.nodes}
    assert both == set(ids[0]) & set(ids[1])
    for side, only in ((0, found.only_left), (1, found.only_right)):
        elsewhere = {ids[side][(pair.left, pair.right)[side]] for pair in found.elsewhere}
        assert {ids[side][node] for node in only} == set(ids[side]) - both - elsewhere
    for pair in found.elsewhere:
        assert left.feature(pair.left) == right.feature(pair.right)
        assert left.node_position[pair.left] != right.node_position[pair.right]
    weights = [
        {
            (side.node_id(source), side.node_id(target)): weight
            for source, target, weight in zip(
                side.edge_source.tolist(), side.edge_target.tolist(), side.edge_weight.tolist(), strict=True
            )
        }
        for side in (left, right)
    ]
    told = {(ids[0][e.source[0]], ids[0][e.target[0]]): e.weight for e in found.edges}
    assert told == {pair: (weights[0][pair], weights[1][pair]) for pair in weights[0].keys() & weights[1]}
    changes = [abs(edge.change) for edge in found.edges]
    assert changes == sorted(changes, reverse=True)
    inside = [pair for pair in weights[0] if set(pair) <= both]
    assert found.edges_only_left == len([pair for pair in inside if pair not in weights[1]])


@given(left=words, right=words)
def test_aligned_positions_ascend_on_both_sides(left, right):
    found = aligned_positions(left, right)
    assert aligned_positions(right, left) == tuple((one, other) for other, one in found)
    for one, other in pairwise(found):
        assert one[0] < other[0]
        assert one[1] < other[1]


def test_tokens_in_each_others_place_are_aligned():
    assert aligned_positions(["The", " capital", " of", " France"], ["The", " capital", " of", " Peru"])[
        -1
    ] == (
        3,
        3,
    )
    longer = ["<bos>", "So", " the", " capital"]
    assert aligned_positions(["<bos>", " the", " capital"], longer) == ((0, 0), (1, 2), (2, 3))
    assert aligned_positions(["a", "x", "b"], ["a", "y", "z", "b"]) == ((0, 0), (2, 3))


def test_answers_are_aligned_and_a_feature_elsewhere_is_shared():
    """The right prompt has no word of the left one, and a feature of its first word at its last."""
    graph = random_graph(seed=3, n_layers=2, n_positions=3, per_cell=3, n_targets=1)
    left = graph.with_info(tokens=("a", "b", "c"))
    right = graph.with_info(tokens=("x", "y", "z", "w"))
    position = right.node_position.copy()
    position[right.of_kind(NodeKind.FEATURE)] = 3
    right = replace(right, node_position=position, token_ids=np.zeros(4, dtype=int))
    found = compare(left, right)
    assert found.positions == ((2, 3),)
    at_end = [node for node in left.of_kind(NodeKind.FEATURE) if left.node_position[node] == 2]
    assert {pair.left for pair in found.nodes} >= set(at_end)
    assert not [node for node in found.only_left if left.node_kind[node] == NodeKind.FEATURE]
    assert "Features in both graphs carry 100%" in found.sentences[0]
    assert "Up to the last layer, features of both carry most." in found.sentences[0]


def test_only_so_many_edges_are_told():
    graph = random_graph()
    found = compare(graph, graph, edges=5)
    assert len(found.edges) == 5
    assert found.n_edges == graph.n_edges


def test_features_of_other_dictionaries_do_not_correspond():
    graph = random_graph()
    found = compare(graph, graph.with_info(dictionary="another"))
    assert not found.same_features
    kinds = {int(graph.node_kind[pair.left]) for pair in found.nodes}
    assert kinds == {NodeKind.ERROR, NodeKind.TOKEN, NodeKind.TARGET}
    kinds = {int(graph.node_kind[pair.left]) for pair in compare(graph, graph.with_info(model="x")).nodes}
    assert kinds == {NodeKind.TOKEN, NodeKind.TARGET}


def with_probabilities(probabilities: dict[str, float]) -> Graph:
    graph = random_graph(n_targets=1)
    (text, probability), *_ = probabilities.items()
    return graph.with_info(
        predictions=tuple(probabilities.items()),
        targets=(Target(text, 1, probability, probability),),
    )


def test_the_difference_of_two_targets():
    france = with_probabilities({" Paris": 0.8, " Berlin": 0.1})
    germany = with_probabilities({" Berlin": 0.6, " Paris": 0.3})
    found = compare(france, germany).difference
    assert found is not None
    assert (found.first, found.second) == (" Paris", " Berlin")
    assert found.logits == pytest.approx((math.log(8), math.log(0.5)))
    same = compare(france, france).difference
    assert same is not None
    assert (same.first, same.second) == (" Paris", " Berlin")
    assert compare(france, with_probabilities({" Rome": 0.9})).difference is None


def test_a_comparison_as_json_names_nodes_by_their_ids():
    graph = random_graph()
    data = compare(graph, graph.with_info(tokens=(*graph.info.tokens[:-1], " other")), edges=3).as_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert {node["left"] for node in data["nodes"]} == set(graph.node_ids)
    assert len(data["edges"]) == 3


def test_tokens_are_the_same_by_id_and_by_text_only_between_models():
    """Graphs of one model may spell a token in two ways, and two tokens in one way."""
    graph = random_graph(seed=3, n_layers=2, n_positions=3, per_cell=2, n_targets=2)
    graph = replace(graph, token_ids=np.array([5, 6, 7])).with_info(model="one")
    targets = tuple(
        replace(target, token_id=number, probability=0.01) for number, target in enumerate(graph.info.targets)
    )
    left = graph.with_info(targets=targets, predictions=(("a", 0.6), ("a", 0.3)), prediction_ids=(8, 9))
    respelled = tuple(replace(target, text=" " + target.text) for target in targets)
    right = left.with_info(targets=respelled, tokens=("x", "y", "z"), prediction_ids=(9, 8))
    found = compare(left, right)
    assert found.positions == ((0, 0), (1, 1), (2, 2))
    assert not found.only_left
    assert found.difference is not None
    assert found.difference.logits == pytest.approx((math.log(2), -math.log(2)))
    other_ids = tuple(replace(target, token_id=target.token_id + 5) for target in targets)
    outputs = left.of_kind(NodeKind.TARGET).tolist()
    assert set(outputs) <= set(compare(left, left.with_info(targets=other_ids)).only_left)
    assert not set(outputs) & set(compare(left, left.with_info(targets=other_ids, model="two")).only_left)
