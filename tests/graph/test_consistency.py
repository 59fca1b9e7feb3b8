"""Soundness of a graph, and the order of its nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ClewError
from clew.graph.consistency import check_consistency
from clew.graph.graph import Graph, NodeKind
from clew.graph.info import Annotations, BoxPlace, GraphInfo, Target
from clew.graph.topological_order import topological_levels
from tests.graph.random_graphs import random_graph


def changed(array: np.ndarray, index: int, value: float) -> np.ndarray:
    copy = array.copy()
    copy[index] = value
    return copy


def same_layer_graph(edges: list[tuple[int, int]], n_features: int = 4) -> Graph:
    """Features 10, 11, ... of layer 0, position 0, one target, and the given (source, target) edges."""
    edges = sorted(edges, key=lambda edge: edge[1])
    counts = np.bincount([target for _, target in edges], minlength=n_features + 1)
    n_nodes = n_features + 1
    return Graph(
        node_kind=np.array([NodeKind.FEATURE] * n_features + [NodeKind.TARGET], dtype=np.uint8),
        node_layer=np.array([0] * n_features + [1], dtype=np.int16),
        node_position=np.zeros(n_nodes, dtype=np.int32),
        node_feature=np.arange(10, 10 + n_nodes),
        node_activation=np.ones(n_nodes, dtype=np.float32),
        node_influence=np.zeros(n_nodes, dtype=np.float32),
        edge_offset=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        edge_source=np.array([source for source, _ in edges], dtype=np.int32),
        edge_weight=np.ones(len(edges), dtype=np.float32),
        token_ids=np.array([7]),
        info=GraphInfo(prompt="hi", tokens=("hi",), targets=(Target("x", 14, 1.0, 1.0),)),
    )


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3))
def test_every_layered_graph_is_sound(seed, n_layers, n_positions, per_cell, n_targets):
    check_consistency(random_graph(seed, n_layers, n_positions, per_cell, n_targets))


def test_levels_of_a_layered_graph_are_its_layers():
    graph = random_graph()
    assert topological_levels(graph).tolist() == (graph.node_layer + 1).tolist()


def test_levels_within_a_layer_are_longest_paths():
    graph = same_layer_graph([(0, 1), (1, 2), (0, 2), (2, 4)])
    assert topological_levels(graph).tolist() == [0, 1, 2, 0, 3]


@given(st.data())
def test_levels_go_up_along_every_edge(data):
    pairs = [(source, target) for target in range(6) for source in range(target)]
    edges = data.draw(st.lists(st.sampled_from(pairs), unique=True))
    graph = same_layer_graph(edges, n_features=5)
    level = topological_levels(graph)
    assert all(level[source] < level[target] for source, target in edges)


def test_a_long_chain_takes_one_step_a_node():
    graph = same_layer_graph([(node, node + 1) for node in range(2000)], n_features=2000)
    assert topological_levels(graph).tolist() == list(range(2001))


def test_a_cycle_is_named_by_its_nodes():
    with pytest.raises(ClewError, match="0_12_0 -> 0_11_0 -> 0_12_0 form a cycle"):
        check_consistency(same_layer_graph([(0, 1), (1, 2), (2, 1), (2, 4)]))


def test_an_edge_to_itself_is_a_cycle():
    with pytest.raises(ClewError, match="0_10_0 -> 0_10_0 form a cycle"):
        check_consistency(same_layer_graph([(0, 0)]))


REFUSED = {
    "unknown kind": (
        lambda graph: {"node_kind": changed(graph.node_kind, -1, 9)},
        "has kind 9; known kinds are 0 to 3",
    ),
    "kinds out of order": (
        lambda graph: {"node_kind": changed(graph.node_kind, 0, NodeKind.ERROR)},
        "Node 1 has kind 0 but follows a node of a higher kind",
    ),
    "wrong type": (
        lambda graph: {"edge_weight": graph.edge_weight.astype(np.float64)},
        "edge_weight is float64 .309,.; expected one dimension of float32",
    ),
    "wrong length": (
        lambda graph: {"node_layer": graph.node_layer[:-1]},
        "node_layer has 53 entries; expected 54",
    ),
    "token ids do not fit": (
        lambda graph: {"token_ids": graph.token_ids[:-1]},
        "token_ids has 3 entries; expected 4",
    ),
    "offsets fall": (
        lambda graph: {"edge_offset": changed(graph.edge_offset, 20, graph.n_edges)},
        "edge_offset falls after node 20",
    ),
    "offsets end early": (
        lambda graph: {"edge_source": graph.edge_source[:-1], "edge_weight": graph.edge_weight[:-1]},
        "edge_offset runs from 0 to",
    ),
    "source out of range": (
        lambda graph: {"edge_source": changed(graph.edge_source, 2, 54)},
        "Edge 2 comes from node 54; the 54 nodes",
    ),
    "weight not finite": (
        lambda graph: {"edge_weight": changed(graph.edge_weight, 3, np.nan)},
        "has weight nan; expected a finite number",
    ),
    "position behind the prompt": (
        lambda graph: {"node_position": changed(graph.node_position, 1, 4)},
        "Node 1 is at position 4; the prompt has 4 tokens",
    ),
    "token in a layer": (
        lambda graph: {"node_layer": changed(graph.node_layer, 48, 0)},
        "Node 48 is a token in layer 0",
    ),
    "feature below layer 0": (
        lambda graph: {"node_layer": changed(graph.node_layer, 0, -1)},
        "Node 0 has layer -1; only tokens",
    ),
    "target without weight": (
        lambda graph: {"node_activation": changed(graph.node_activation, -1, np.nan)},
        "Node 53 is a target of weight nan",
    ),
    "targets not described": (
        lambda graph: {"info": replace(graph.info, targets=graph.info.targets[:1])},
        "describes 1 targets but has 2 target nodes",
    ),
    "a node twice": (
        lambda graph: {"node_feature": changed(graph.node_feature, 1, graph.node_feature[0])},
        "Nodes 0 and 1 both have the id 0_",
    ),
    "constants do not fit": (
        lambda graph: {"node_constant": np.zeros(3, dtype=np.float32)},
        "node_constant is float32",
    ),
    "less than nothing left out": (
        lambda graph: {"node_left_out": np.full(graph.n_nodes, -1, dtype=np.float32)},
        "Node 0 has an error of -1.0; expected a finite number from 0",
    ),
    "a label of no feature": (
        lambda graph: {"annotations": Annotations(feature_labels={"12/4031": "places"})},
        "belongs to the feature '12/4031'; expected a name such as L12/4031",
    ),
    "a box that is nowhere": (
        lambda graph: {"annotations": Annotations(node_places={"a box": BoxPlace(1, float("nan"))})},
        "The box of 'a box' has the place",
    ),
    "a color by name": (
        lambda graph: {"annotations": Annotations(supernode_colors={"places": "red"})},
        "The supernode 'places' has the color 'red'; expected one such as #1f77b4",
    ),
    "outputs of no node": (
        lambda graph: {
            "output_tokens": replace(graph.output_tokens, node=changed(graph.output_tokens.node, 0, 99))
        },
        "describe a node outside the 54",
    ),
    "outputs do not fit": (
        lambda graph: {"output_tokens": replace(graph.output_tokens, logit=graph.output_tokens.logit[:, :3])},
        "Output tokens have the shapes",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_unsound_graph_is_refused_by_name(name):
    change, message = REFUSED[name]
    graph = random_graph(n_layers=3, n_positions=4, per_cell=3, n_targets=2)
    with pytest.raises(ClewError, match=message):
        check_consistency(replace(graph, **change(graph)))
