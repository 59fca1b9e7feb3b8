"""Graphs as pandas tables."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clew.errors import ClewError
from clew.graph.info import Annotations
from clew.graph.reader import open_graph
from tests.graph.random_graphs import random_graph


def test_a_row_for_every_node():
    graph = random_graph()
    nodes = graph.nodes
    assert nodes.columns.tolist() == [
        "id",
        "name",
        "kind",
        "layer",
        "position",
        "token",
        "feature",
        "activation",
        "influence",
        "label",
        "output",
    ]
    assert nodes["id"].tolist() == graph.node_ids
    assert nodes["name"].tolist()[-1] == graph.node_name(graph.n_nodes - 1)
    assert nodes["kind"].value_counts().to_dict() == {"feature": 36, "error": 12, "token": 4, "target": 2}
    assert nodes["token"].tolist()[-1] == " token3"
    assert nodes["output"].tolist()[0] == ", ".join(graph.output_texts(0, 5))
    assert nodes["output"].tolist()[-1] == ""


def test_labels_stand_in_the_table():
    graph = random_graph()
    graph = replace(graph, annotations=Annotations(labels={graph.node_ids[3]: "say a capital"}))
    assert graph.nodes["label"].tolist()[2:5] == ["", "say a capital", ""]


def test_a_label_of_a_feature_stands_wherever_it_has_none_of_its_own():
    graph = random_graph()
    own, feature = {graph.node_ids[3]: "here"}, {graph.feature_name(3): "places", graph.feature_name(4): "so"}
    graph = replace(graph, annotations=Annotations(labels=own, feature_labels=feature))
    assert [graph.label(node) for node in (2, 3, 4)] == [None, "here", "so"]
    assert graph.nodes["label"].tolist()[2:5] == ["", "here", "so"]


def test_a_row_for_every_edge():
    graph = random_graph()
    edges = graph.edges
    assert edges.columns.tolist() == ["source", "target", "source_id", "target_id", "weight", "share"]
    assert len(edges) == graph.n_edges
    ids = np.array(graph.node_ids)
    np.testing.assert_array_equal(np.array(edges["source_id"]), ids[graph.edge_source])
    np.testing.assert_array_equal(np.array(edges["target_id"]), ids[graph.edge_target])
    per_target = np.bincount(graph.edge_target, weights=edges["share"].to_numpy())
    np.testing.assert_allclose(per_target[np.unique(graph.edge_target)], 1)


def test_a_graph_without_edges_has_an_empty_table():
    assert random_graph(density=0).edges.empty


def test_tables_of_a_real_graph(shared_graph_path: Path):
    graph = open_graph(shared_graph_path)
    assert len(graph.nodes) == graph.n_nodes
    assert len(graph.edges) == graph.n_edges


def test_without_pandas_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    for table in ("nodes", "edges"):
        with pytest.raises(ClewError, match="pip install pandas"):
            getattr(random_graph(), table)
