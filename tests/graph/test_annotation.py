"""Labels, supernodes and pins are added by id or by name, and what is not there is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import clew
from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from tests.graph.random_graphs import random_graph


@pytest.fixture
def graph() -> Graph:
    return random_graph()


def test_ids_and_names_mean_the_same(graph: Graph, tmp_path: Path):
    one, two = (int(node) for node in graph.of_kind(NodeKind.FEATURE)[:2])
    by_name = graph.annotate(
        labels={graph.node_name(one): "a capital"},
        supernodes={"Say Paris": [graph.node_name(one), graph.node_id(two), graph.node_id(one)]},
        pins=[graph.node_name(two)],
        feature_labels={graph.feature_name(two): "a country"},
    )
    notes = by_name.annotations
    assert notes.labels == {graph.node_id(one): "a capital"}
    assert notes.supernodes == (("Say Paris", (graph.node_id(one), graph.node_id(two))),)
    assert notes.pins == (graph.node_id(two),)
    assert by_name.label(two) == "a country"
    assert not graph.annotations.labels
    assert clew.open(by_name.save(tmp_path / "a.clew")).annotations == notes


def test_notes_are_added_replaced_and_taken_away(graph: Graph):
    one, two = (graph.node_id(int(node)) for node in graph.of_kind(NodeKind.FEATURE)[:2])
    first = graph.annotate(labels={one: "a", two: "b"}, supernodes={"s": [one], "t": [two]}, pins=[one])
    second = first.annotate(labels={one: "c", two: ""}, supernodes={"s": [two], "t": []}, pins=[one, two])
    assert second.annotations.labels == {one: "c"}
    assert second.annotations.supernodes == (("s", (two,)),)
    assert second.annotations.pins == (one, two)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"labels": {"L99/1@1": "a"}}, "The graph has no node 'L99/1@1'. Give an id such as 24_1005_5 or a"),
        ({"labels": {3: "a"}}, "The graph has no node 3. Give an id"),
        ({"labels": ["L0/1@1"]}, "labels is ['L0/1@1']; give a dictionary."),
        ({"pins": "L0/1@1"}, "pins is 'L0/1@1'; give a list of nodes."),
        ({"supernodes": {"s": "L0/1@1"}}, "The members of supernode 's' are 'L0/1@1'; give a list of nodes."),
        ({"supernodes": {"": []}}, "A supernode needs a name; give it one."),
        ({"feature_labels": {"L0/1@1": "a"}}, "'L0/1@1' is not a feature; name one as L24/1005."),
        ({"feature_labels": {"L0/1": 3}}, "The label of L0/1 is 3; give a text."),
    ],
)
def test_what_is_not_there_is_refused(graph: Graph, given: dict, sentence: str):
    with pytest.raises(ClewError, match=f"^{re.escape(sentence)}"):
        graph.annotate(**given)


def test_a_misspelt_name_is_recognised(graph: Graph):
    name = graph.node_name(int(graph.of_kind(NodeKind.FEATURE)[0]))
    for wrong in (name.lower(), name[1:]):
        with pytest.raises(ClewError, match=rf"Did you mean {name}\?$"):
            graph.annotate(pins=[wrong])
