"""The strongest paths against all paths, found one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.graph.paths import SignedPath, strongest_paths
from tests.graph.random_graphs import random_graph
from tests.graph.test_influence import (
    dense_influence,
    dense_shares,
    dense_weights,
    with_edges_inside_layers,
    with_weights,
)


def all_paths(graph: Graph, sources: Sequence[int], target: int) -> list[SignedPath]:
    """Every path of at least one edge from any source up to the target, strongest first."""
    weights = dense_weights(graph)
    shares = dense_shares(weights)

    def downward(nodes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        lowest = nodes[0]
        if lowest in sources and len(nodes) > 1:
            yield nodes
        for below in np.flatnonzero(weights[lowest]):
            yield from downward((int(below), *nodes))

    found = []
    for nodes in downward((target,)):
        steps = (nodes[1:], nodes[:-1])
        sign = np.sign(weights[steps]).prod()
        sign *= np.prod([-1 if graph.node_activation[node] < 0 else 1 for node in nodes[1:-1]])
        found.append(SignedPath(nodes, float(shares[steps].prod()), int(sign)))
    return sorted(found, key=lambda path: -path.share)


def assert_same_paths(found: list[SignedPath], expected: list[SignedPath]) -> None:
    assert [path.nodes for path in found] == [path.nodes for path in expected]
    assert [path.sign for path in found] == [path.sign for path in expected]
    assert [path.share for path in found] == pytest.approx([path.share for path in expected])


def assert_same_set_of_paths(found: list[SignedPath], expected: list[SignedPath]) -> None:
    """Strongest first, but paths of one share in any order."""
    for path, further in pairwise(found):
        assert path.share >= further.share * (1 - 1e-9)

    def by_nodes(path: SignedPath) -> tuple[int, ...]:
        return path.nodes

    assert_same_paths(sorted(found, key=by_nodes), sorted(expected, key=by_nodes))


def chain() -> tuple[Graph, int, int, int]:
    """token -> feature -> target and token -> target: the detour carries 2/3, and turns the sign."""
    graph = random_graph(n_layers=1, n_positions=1, per_cell=1, n_targets=1)
    feature, _, token, target = (int(graph.of_kind(kind)[0]) for kind in NodeKind)
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    matrix[target, [feature, token]] = [-2.0, 1.0]
    matrix[feature, token] = 3.0
    return with_weights(graph, matrix), token, feature, target


sizes = {
    "seed": st.integers(0, 2**32),
    "n_layers": st.integers(1, 3),
    "n_positions": st.integers(1, 2),
    "per_cell": st.integers(1, 2),
    "n_targets": st.integers(1, 2),
    "density": st.floats(0, 1),
}


def test_paths_through_a_feature_and_past_it():
    graph, token, feature, target = chain()
    expected = [
        SignedPath((token, feature, target), share=2 / 3, sign=-1),
        SignedPath((token, target), share=1 / 3, sign=1),
    ]
    assert_same_paths(strongest_paths(graph), expected)


@given(**sizes)
def test_all_paths_from_tokens_to_the_likeliest_target(**size):
    graph = random_graph(**size)
    target = int(np.argmax(graph.target_weight))
    expected = all_paths(graph, graph.of_kind(NodeKind.TOKEN).tolist(), target)
    assert_same_paths(strongest_paths(graph, count=10_000), expected)


@given(count=st.integers(1, 20), **sizes)
def test_the_first_few_are_the_strongest_of_all(count, **size):
    graph = random_graph(**size)
    target = int(np.argmax(graph.target_weight))
    expected = all_paths(graph, graph.of_kind(NodeKind.TOKEN).tolist(), target)
    assert_same_paths(strongest_paths(graph, count=count), expected[:count])


@given(chosen=st.lists(st.integers(0, 2**16), max_size=4), to=st.integers(0, 2**16), **sizes)
def test_any_nodes_can_be_sources_and_target(chosen, to, **size):
    """Sources may lie on the way from others, or be the target; paths inside a layer count too."""
    graph = with_edges_inside_layers(random_graph(**size), size["seed"])
    sources, target = [node % graph.n_nodes for node in chosen], to % graph.n_nodes
    expected = all_paths(graph, sources, target)
    assert_same_set_of_paths(strongest_paths(graph, sources=sources, target=target, count=10_000), expected)


def test_shares_of_all_paths_from_a_node_add_up_to_its_influence():
    graph = random_graph(n_layers=2, n_positions=2, per_cell=2, n_targets=1)
    (target,), token = graph.of_kind(NodeKind.TARGET), int(graph.of_kind(NodeKind.TOKEN)[0])
    paths = strongest_paths(graph, sources=[token], target=int(target), count=10_000)
    found = dense_influence(dense_weights(graph), graph.target_weight)[token]
    assert sum(path.share for path in paths) == pytest.approx(found)


def test_edges_without_weight_lead_nowhere():
    graph, _, feature, target = chain()
    graph.edge_weight[(graph.edge_source == feature) & (graph.edge_target == target)] = 0
    assert [len(path.nodes) for path in strongest_paths(graph)] == [2]


def test_nothing_is_found_where_nothing_leads():
    graph, token, _, target = chain()
    assert strongest_paths(graph, sources=[]) == []
    assert strongest_paths(graph, target=token) == []
    assert strongest_paths(graph, sources=[target]) == []
    assert strongest_paths(graph, count=0) == []


def test_the_graph_answers_as_well():
    graph = random_graph()
    target = int(graph.of_kind(NodeKind.TARGET)[1])
    assert graph.paths(target, count=3) == strongest_paths(graph, target=target, count=3)


@pytest.mark.parametrize("node", [-1, 4])
def test_nodes_that_do_not_exist_are_refused(node):
    graph, *_ = chain()
    with pytest.raises(ClewError, match=f"Node {node} does not exist: the graph has nodes 0 to 3"):
        strongest_paths(graph, target=node)
    with pytest.raises(ClewError, match=f"Node {node} does not exist: the graph has nodes 0 to 3"):
        strongest_paths(graph, sources=[0, node])


def test_a_graph_without_outputs_needs_a_named_target():
    graph = random_graph(n_targets=0)
    with pytest.raises(ClewError, match="has no output node; name the node where paths should end"):
        strongest_paths(graph)
    feature = int(graph.of_kind(NodeKind.FEATURE)[-1])
    assert strongest_paths(graph, target=feature) != []
