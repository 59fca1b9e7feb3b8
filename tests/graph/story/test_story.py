"""Stories: their boxes divide the graph, and effects and paths are those of the graph's own mathematics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.graph.arrays import NodeKind
from clew.graph.graph import Graph
from clew.graph.influence import measure_flow
from clew.graph.story import tell_story
from clew.graph.story.division import MOST_STEPS
from clew.graph.story.effects import main_output
from tests.graph.random_graphs import random_graph
from tests.graph.summary.test_summary import own_groups, sizes


@given(n_own=st.integers(0, 3), **sizes)
def test_boxes_divide_the_graph(n_own, **size):
    graph = random_graph(**size)
    graph = replace(graph, annotations=own_groups(graph, size["seed"], n_own))
    story = tell_story(graph)
    assert sorted(node for box in story.boxes for node in box.members) == list(range(graph.n_nodes))
    assert sum(box.kind == "step" and not box.own for box in story.boxes) <= MOST_STEPS
    assert sum(box.share for box in story.boxes) == pytest.approx(float(measure_flow(graph).influence.any()))


def lost_without(graph: Graph, members: tuple[int, ...], output: int) -> float:
    """The part of an output that goes when nodes are silenced and all above them follow, layer by layer."""
    share_lost = np.zeros(graph.n_nodes)
    share_lost[list(members)] = 1
    for node in np.argsort(graph.node_layer, kind="stable").tolist():
        edges = slice(graph.edge_offset[node], graph.edge_offset[node + 1])
        lost = float(graph.edge_weight[edges].astype(np.float64) @ share_lost[graph.edge_source[edges]])
        if node == output:
            return lost
        if graph.node_kind[node] == NodeKind.FEATURE and node not in members:
            share_lost[node] = lost / graph.node_activation[node]
    raise AssertionError("the output is a node")


@given(**sizes)
def test_a_box_has_the_effect_that_goes_when_its_nodes_are_silenced(**size):
    graph = random_graph(**size)
    output = main_output(graph)
    for box in tell_story(graph).boxes:
        if output is None or box.kind == "output":
            assert box.effect is None
        else:
            lost = lost_without(graph, box.members, output)
            assert box.effect == pytest.approx(lost, rel=1e-3, abs=1e-3 * max(1, abs(lost)))


def test_paths_of_a_story_add_up_to_the_whole_input():
    graph = random_graph(seed=3, n_layers=3, n_positions=3, per_cell=3, n_targets=1, density=0.9)
    found = tell_story(graph)
    every = [*found.paths, *found.direct]
    assert every
    assert sum(path.carried for path in every) <= 1 + 1e-9
    assert all(abs(path.effect) <= path.carried + 1e-9 for path in every)
    kinds = [[found.boxes[box].kind for box in path.boxes] for path in every]
    assert all(kind[0] == "token" and kind[-1] == "output" for kind in kinds)
