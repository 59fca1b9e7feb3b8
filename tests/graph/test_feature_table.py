"""A table of several graphs' features: every feature once, with its most influential node in each graph."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from clew.cli.main import main
from clew.errors import ClewError
from clew.graph.feature_table import compare_features
from clew.graph.graph import NodeKind
from clew.graph.influence import output_shares
from tests.graph.random_graphs import random_graph


@pytest.fixture
def three():
    """Graphs of one model that differ in some features."""
    graph = random_graph(0, n_layers=3, n_positions=4, per_cell=3, n_targets=2)
    others = []
    for number in (1, 2):
        feature = graph.node_feature.copy()
        feature[graph.of_kind(NodeKind.FEATURE)[:number]] += 1000 * number
        others.append(replace(graph, node_feature=feature))
    return [graph, *others]


def features(graph):
    nodes = graph.of_kind(NodeKind.FEATURE)
    return set(zip(graph.node_layer[nodes].tolist(), graph.node_feature[nodes].tolist(), strict=True))


def test_every_feature_is_a_row_with_its_most_influential_nodes(three):
    table = compare_features(three, count=10_000)
    names = [(row.feature.layer, row.feature.index) for row in table.rows]
    assert len(names) == len(set(names))
    assert set(names) == set().union(*map(features, three))
    for row in table.rows:
        for graph, node, influence in zip(three, row.nodes, row.influence, strict=True):
            same = np.flatnonzero(
                (graph.node_kind == NodeKind.FEATURE)
                & (graph.node_layer == row.feature.layer)
                & (graph.node_feature == row.feature.index)
            )
            assert (node is None) == (len(same) == 0)
            assert influence == pytest.approx(output_shares(graph)[same].max(initial=0))
            assert node is None or node in same
    sums = [sum(row.influence) for row in table.rows]
    assert sums == sorted(sums, reverse=True)
    assert table.in_so_many == tuple(
        sum(row.n_graphs == number for row in table.rows) for number in (1, 2, 3)
    )
    assert len(compare_features(three, count=2).rows) == 2
    json.dumps(table.as_json())


def test_a_frame_has_a_column_for_each_prompt(three):
    frame = compare_features(three).to_pandas()
    assert frame.shape[1] == 3 + len(three)
    assert frame["graphs"].between(1, 3).all()


def test_graphs_whose_features_do_not_correspond_are_refused(three):
    with pytest.raises(ClewError, match="two or more graphs"):
        compare_features(three[:1])
    with pytest.raises(ClewError, match="one model and one dictionary"):
        compare_features([*three, three[0].with_info(dictionary="another")])


def test_the_command_prints_a_column_for_each_graph(three, tmp_path, capsys):
    files = [str(graph.save(tmp_path / f"{number}.clew")) for number, graph in enumerate(three)]
    assert main(["compare", *files]) == 0
    printed = capsys.readouterr().out
    assert "3 graphs" in printed
    assert "(3)" in printed
    assert str(compare_features(three).rows[0].feature) in printed
    assert main(["compare", files[0]]) == 2
