"""The labels that an index gives the features of a graph: on the graph, in its names, in what it exports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import clew
from clew.errors import ClewError
from clew.feature import Feature
from clew.graph.graph import Graph, NodeKind
from clew.graph.reader import open_graph
from clew.index.labels.graph_features import features_of, with_index_labels
from clew.index.storage.index import open_index
from tests.graph.random_graphs import random_graph
from tests.index.conftest import words
from tests.index.example_index import make_index


@pytest.fixture
def graph() -> Graph:
    """Features 0, 1 and so on of layer 2 at each position."""
    graph = random_graph(seed=3)
    feature = graph.node_feature.copy()
    for position in range(4):
        there = (graph.node_kind == NodeKind.FEATURE) & (graph.node_layer == 2)
        there &= graph.node_position == position
        feature[there] = np.arange(there.sum())
    return replace(graph, node_feature=feature)


@pytest.fixture
def labelled(graph: Graph, tmp_path: Path) -> Graph:
    with open_index(make_index(tmp_path), writable=True) as index:
        index.set_label(2, 0, "cats", "model", author="a model", confidence=0.9)
        index.set_label(2, 1, "says cow", "tokens")
        index.set_label(2, 2, "of old rules", "tokens", author="token rules 1")
        return with_index_labels(graph, index)


def node_of(graph: Graph, feature: int) -> int:
    found = (graph.node_kind == NodeKind.FEATURE) & (graph.node_layer == 2) & (graph.node_feature == feature)
    return int(np.flatnonzero(found)[0])


def test_features_are_named_by_the_index_unless_a_person_named_them(labelled: Graph):
    assert labelled.label(node_of(labelled, 0)) == "cats"
    assert labelled.label(node_of(labelled, 2)) == "says dog (negative)", "by the rules of today"
    assert labelled.label(node_of(labelled, 2), by_rule=False) is None
    assert labelled.index_facts["L2/2"].frequency > 0
    cows = node_of(labelled, 1)
    assert labelled.label(cows) == "says cow"
    assert labelled.label(cows, by_rule=False) is None
    own = labelled.annotate(feature_labels={"L2/0": "tigers"})
    assert own.label(node_of(own, 0)) == "tigers"
    assert features_of(labelled).count(Feature(2, 0)) == 1


def test_a_graph_without_an_index_stays_as_it_is(graph: Graph, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path / "none"))
    assert with_index_labels(graph) is graph


def test_labels_of_the_index_are_exported_and_those_by_rule_are_marked(labelled: Graph, tmp_path: Path):
    path = labelled.save(tmp_path / "graph.json")
    nodes = {node["node_id"]: node for node in json.loads(path.read_text())["nodes"]}
    cat, cow = (nodes[labelled.node_id(node_of(labelled, feature))] for feature in (0, 1))
    assert (cat["clerp"], cat.get("clerp_is_automatic", False)) == ("cats", False)
    assert (cow["clerp"], cow["clerp_is_automatic"]) == ("says cow", True)
    again = open_graph(path)
    assert again.label(node_of(again, 0)) == "cats"
    assert again.label(node_of(again, 1)) is None


def test_what_pruning_keeps_keeps_its_labels(labelled: Graph):
    small = labelled.prune(0.99, 0.99)
    assert small.index_labels == labelled.index_labels


def test_from_python(tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path / "indexes"))
    (tmp_path / "texts.txt").write_text(words(300, seed=0))
    model = clew.load(str(model_folder))
    with model.index(tmp_path / "texts.txt", tokens=200) as index:
        assert index.metadata.positions == 200
        place = index.path
    with clew.open_index(place) as index:
        record = index.feature(0, 3)
    assert record is not None
    assert record.positions == 200
    graph = model.trace("w3 w4 w5")
    feature = features_of(graph)[0]
    with clew.open_index(place) as index, pytest.raises(ClewError, match="read only"):
        index.set_labels({feature: "mine"})
    with open_index(place, writable=True) as index:
        index.set_labels({feature: "mine"})
    assert with_index_labels(graph).index_labels[str(feature)].text == "mine"
    with pytest.raises(ClewError, match="--replace"):
        model.index([tmp_path / "texts.txt"])
    with model.index([tmp_path / "texts.txt"], replace=True) as index:
        assert index.metadata.positions > 200
        label = index.label(feature)
    assert label is not None
    assert label.text == "mine"
