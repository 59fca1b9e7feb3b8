"""Annotations: read, changed by several pages at once, shared by features, and nothing lost on the way."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from clew.graph.info import BoxPlace
from tests.graph.random_graphs import random_graph
from tests.server.conftest import brought, sentence

GRAPH = random_graph()
ONE, TWO = GRAPH.node_ids[:2]
FEATURE = GRAPH.feature_name(0)


def values(client, graph):
    return client.get(f"/api/graphs/{graph}/annotations").json()["values"]


def changed(client, graph, base, changes):
    return client.patch(f"/api/graphs/{graph}/annotations", json={"base": base, "changes": changes})


def test_everything_that_can_be_added(client, graph):
    group = {"name": "say Paris", "members": [ONE, TWO], "color": "#aabbcc"}
    everything = {
        f"label:{ONE}": "capitals",
        f"feature:{FEATURE}": "a feature",
        f"pin:{TWO}": True,
        "group:x-1": group,
    }
    answer = changed(client, graph, 0, everything).json()
    assert answer == {"revision": 1, "values": everything, "conflicts": {}}
    assert client.get(f"/api/graphs/{graph}/annotations").json() == {"revision": 1, "values": everything}
    taken_back = dict.fromkeys(everything)
    assert changed(client, graph, 1, taken_back).json()["values"] == taken_back
    assert values(client, graph) == {}


def test_two_pages_that_change_different_things_merge(client, graph):
    changed(client, graph, 0, {f"pin:{ONE}": True})
    merged = changed(client, graph, 0, {f"pin:{TWO}": True}).json()
    assert merged["values"] == {f"pin:{ONE}": True, f"pin:{TWO}": True}
    assert merged["conflicts"] == {}


def test_the_slower_page_is_told_and_the_rest_of_its_changes_holds(client, graph):
    key = f"label:{ONE}"
    changed(client, graph, 0, {key: "theirs"})
    answer = changed(client, graph, 0, {key: "mine", f"pin:{ONE}": True}).json()
    assert answer["conflicts"] == {key: "theirs"}
    assert answer["values"] == {key: "theirs", f"pin:{ONE}": True}
    again = changed(client, graph, answer["revision"], {key: "mine"}).json()
    assert again["conflicts"] == {}
    assert values(client, graph)[key] == "mine"


def test_what_the_other_page_took_back_is_a_conflict_too(client, graph):
    key = f"label:{ONE}"
    base = changed(client, graph, 0, {key: "first"}).json()["revision"]
    changed(client, graph, base, {key: None})
    assert changed(client, graph, base, {key: "second"}).json()["conflicts"] == {key: None}


def test_the_same_change_from_two_pages_is_no_conflict(client, graph):
    key = f"pin:{ONE}"
    first = changed(client, graph, 0, {key: True}).json()
    second = changed(client, graph, 0, {key: True}).json()
    assert second == {**first, "conflicts": {}}


def test_many_pages_at_once_lose_nothing(client, graph):
    def pin(node):
        return changed(client, graph, 0, {f"pin:{node}": True}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(pin, GRAPH.node_ids)) == {200}
    assert values(client, graph) == {f"pin:{node}": True for node in GRAPH.node_ids}


def of_dictionary(name, tmp_path):
    """The random graph, as one of this dictionary."""
    return replace(GRAPH, info=replace(GRAPH.info, dictionary=name)).save(tmp_path / f"{name}.clew")


def test_a_features_label_is_that_of_all_graphs_of_its_dictionary(client, tmp_path):
    same = of_dictionary("same", tmp_path)
    one, other = brought(client, same)["id"], brought(client, same)["id"]
    apart = brought(client, of_dictionary("another", tmp_path))["id"]
    key = f"feature:{FEATURE}"
    changed(client, one, 0, {key: "a feature", f"label:{ONE}": "its own"})
    assert values(client, other) == {key: "a feature"}
    assert values(client, apart) == {}
    assert changed(client, other, 0, {key: "mine"}).json()["conflicts"] == {key: "a feature"}


def test_of_a_graph_that_names_no_dictionary_labels_are_its_own(client, graph, graph_file):
    other = brought(client, graph_file)["id"]
    changed(client, graph, 0, {f"feature:{FEATURE}": "a feature"})
    assert values(client, graph) == {f"feature:{FEATURE}": "a feature"}
    assert values(client, other) == {}


def test_what_a_file_holds_becomes_annotations_and_known_labels_stay(client, tmp_path):
    key = f"feature:{FEATURE}"
    changed(client, brought(client, of_dictionary("same", tmp_path))["id"], 0, {key: "known"})
    other = GRAPH.feature_name(1)
    annotations = replace(
        GRAPH.annotations,
        labels={ONE: "one", "99_99_99": "no such node"},
        pins=(TWO, "99_99_99"),
        supernodes=(("group", (ONE, "99_99_99", ONE)), ("empty", ("99_99_99",))),
        supernode_colors={"group": "#1f77b4"},
        supernode_places={"group": BoxPlace(1.5, 2), "empty": BoxPlace(3, 4)},
        node_places={TWO: BoxPlace(-5, 6, 70, 80), "99_99_99": BoxPlace(0, 0)},
        feature_labels={FEATURE: "from the file", other: "new"},
    )
    info = replace(GRAPH.info, dictionary="same")
    path = replace(GRAPH, info=info, annotations=annotations).save(tmp_path / "annotated.clew")
    assert values(client, brought(client, path)["id"]) == {
        f"label:{ONE}": "one",
        f"pin:{TWO}": True,
        "group:0001": {"name": "group", "members": [ONE], "color": "#1f77b4"},
        "place:g:0001": {"x": 1.5, "y": 2, "width": None, "height": None},
        f"place:n:{TWO}": {"x": -5, "y": 6, "width": 70, "height": 80},
        key: "known",
        f"feature:{other}": "new",
    }


@pytest.mark.parametrize("kind", ["clew", "json"])
def test_exporting_and_importing_keeps_annotations_as_they_are(client, graph, kind, tmp_path):
    members = [[ONE, TWO], GRAPH.node_ids[2:5]]
    groups = {
        f"group:{number:04}": {"name": f"group {number}", "members": nodes, "color": "#00ff00"}
        for number, nodes in enumerate(members, start=1)
    }
    everything = {f"label:{ONE}": 'a "label" </script>', f"pin:{ONE}": True, f"pin:{TWO}": True} | groups
    everything |= {f"feature:{FEATURE}": "ünïcode ✓"}
    place = {"x": 12.5, "y": -3.0, "width": 90.0, "height": None}
    everything |= {"place:g:0002": place, f"place:n:{ONE}": place}
    changed(client, graph, 0, everything)
    exported = client.get(f"/api/graphs/{graph}/export", params={"format": kind})
    path = tmp_path / f"again.{kind}"
    path.write_bytes(exported.content)
    again = values(client, brought(client, path)["id"])
    if kind == "json":  # there every feature has a label, if only of what it promotes
        again = {key: again[key] for key in again if not key.startswith("label:") or key in everything}
    assert again == everything


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("label:9_9_9", "text", "has no node '9_9_9'"),
        ("pin:../../etc/passwd", True, "has no node '../../etc/passwd'"),
        ("feature:L9/9", "text", "has no feature 'L9/9'"),
        ("nonsense", "text", "'nonsense' is not an annotation; expected label:ID"),
        ("group:a b", {"name": "", "members": []}, "a group's id has up to 64 letters"),
        (f"pin:{ONE}", "text", "can be true or null"),
        (f"label:{ONE}", True, "must be a text or null"),
        ("group:a", "text", "must be a group"),
        ("group:a", {"x": 1, "y": 2}, "must be a group"),
        ("place:g:a", "text", "must be a place"),
        ("place:n:9_9_9", {"x": 1, "y": 2}, "names no box"),
        ("place:g:a", {"x": 1e9, "y": 2}, "cannot be used"),
        ("group:a", {"name": "x", "members": ["9_9_9"]}, "has no node '9_9_9'"),
        ("group:a", {"name": "x", "members": [ONE, ONE]}, "names a node twice"),
        (f"label:{ONE}", "x" * 2001, "2,001 characters; at most 2,000"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_changed(client, graph, key, value, problem):
    answer = changed(client, graph, 0, {f"pin:{TWO}": True, key: value})
    assert problem in sentence(answer, 422)
    assert values(client, graph) == {}


def test_half_a_character_is_refused(client, graph):
    body = json.dumps({"base": 0, "changes": {f"label:{ONE}": "\ud800"}})
    headers = {"content-type": "application/json"}
    answer = client.patch(f"/api/graphs/{graph}/annotations", content=body, headers=headers)
    assert "half a character" in sentence(answer, 422)


def test_too_many_changes_are_refused(client, graph):
    assert "10000" in sentence(changed(client, graph, 0, {f"pin:{n}": True for n in range(10_001)}), 422)


def test_a_revision_from_the_future_is_refused(client, graph):
    assert "no revision 7 yet" in sentence(changed(client, graph, 7, {}), 409)
