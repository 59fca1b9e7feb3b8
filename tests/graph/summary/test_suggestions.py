"""Suggested groups: each with a reason that holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clew.graph.graph import NodeKind
from clew.graph.info import Annotations
from clew.graph.summary import suggest_groups
from tests.graph.random_graphs import random_graph
from tests.graph.summary.test_summary import with_words


@given(seed=st.integers(0, 2**32), per_cell=st.integers(0, 5), count=st.integers(1, 12))
def test_suggestions_are_disjoint_groups_of_features(seed, per_cell, count):
    graph = random_graph(seed, per_cell=per_cell)
    found = suggest_groups(graph, count)
    assert len(found) <= count
    members = [node for suggestion in found for node in suggestion.members]
    assert len(members) == len(set(members))
    assert all(graph.node_kind[node] == NodeKind.FEATURE for node in members)
    assert all(len(suggestion.members) > 1 for suggestion in found)
    shares = [suggestion.share for suggestion in found]
    assert shares == sorted(shares, reverse=True)


def test_shared_output_tokens_are_a_reason():
    graph = random_graph(per_cell=4)
    alike = [0, 17, 30]
    graph = with_words(graph, {node: [1, 2, 3] for node in alike}, {1: " red", 2: " green", 3: " blue"})
    (found,) = [each for each in suggest_groups(graph) if "output tokens" in each.reason]
    assert found.members == tuple(alike)
    assert found.name == "red, green, blue"
    assert found.as_json()["members"] == [graph.node_id(node) for node in alike]
    assert found.reason == "These features promote the same output tokens: red, green, blue."


def test_the_same_feature_at_several_positions_is_a_reason():
    graph = random_graph(n_layers=2, n_positions=3, per_cell=1)
    index = np.where(graph.node_kind == NodeKind.FEATURE, 7, graph.node_feature)
    graph = replace(graph, node_feature=index, output_tokens=None)
    reasons = {each.reason for each in suggest_groups(graph)}
    assert "This is the same feature, L1/7, at 3 positions." in reasons
    mine = Annotations(supernodes=(("mine", tuple(graph.node_ids)),))
    assert suggest_groups(replace(graph, annotations=mine)) == []
