"""Meaning of features through the API: the index of a dictionary, labels, search, and exports."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

import clew
from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.graph.info import Annotations
from clew.index.exchange.folder import write_details
from clew.index.exchange.importing import import_details
from clew.index.storage.index import open_index
from clew.index.storage.locations import default_location
from clew.server.indexes import Indexes
from tests.graph.random_graphs import random_graph
from tests.index.example_index import feature, make_index
from tests.server.conftest import brought, sentence


@pytest.fixture(autouse=True)
def indexes_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path / "indexes"))
    return tmp_path / "indexes"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A graph of the made-up index's model: features 0 to 2 of layer 2 at each position."""
    graph = random_graph(n_positions=2)
    layer, feature = graph.node_layer, graph.node_feature.copy()
    for position in (0, 1):
        there = (graph.node_kind == NodeKind.FEATURE) & (layer == 2) & (graph.node_position == position)
        feature[there] = range(there.sum())
    named = replace(graph, node_feature=feature).with_info(model="tiny", dictionary="neurons")
    return named.save(tmp_path / "animals.clew")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """In the usual place."""
    place = default_location("tiny", "neurons")
    place.parent.mkdir(parents=True)
    return make_index(tmp_path).rename(place)


@pytest.fixture
def graph(client, file) -> str:
    return brought(client, file)["id"]


def labels(client, graph: str) -> dict:
    return client.get(f"/api/graphs/{graph}/index").json()["labels"]


def put(client, graph: str, feature: int, text: str):
    return client.put(f"/api/graphs/{graph}/features/2/{feature}/label", json={"text": text})


def test_without_an_index_the_page_is_told_how_to_make_one(client, graph):
    answer = client.get(f"/api/graphs/{graph}/index").json()
    assert answer == {"index": None, "problem": None, "labels": {}, "note": ""}
    assert "make one with clew index" in sentence(client.get(f"/api/graphs/{graph}/features/2/0"), 404)
    assert "make one" in sentence(put(client, graph, 0, "cats"), 404)
    assert "make one" in sentence(client.get(f"/api/graphs/{graph}/texts", params={"query": "cat"}), 404)


def test_an_index_that_comes_later_is_found(client, graph, index):
    answer = client.get(f"/api/graphs/{graph}/index").json()
    assert (answer["index"]["model"], answer["index"]["dictionary"]) == ("tiny", "neurons")
    assert {label["source"] for label in answer["labels"].values()} == {"tokens"}, "names by rule alone"


def test_a_feature_is_told_in_full(client, graph, index):
    told = client.get(f"/api/graphs/{graph}/features/2/0").json()
    with open_index(index) as opened:
        record = opened.feature(2, 0)
    assert record is not None
    first = told["groups"][0]["examples"][0]
    assert tuple(first["tokens"]) == record.groups[0].examples[0].tokens
    assert first["activations"] == pytest.approx(record.groups[0].examples[0].activations)
    assert [token["text"] for token in told["top_outputs"]] == [" cat", " Cats"]
    assert "no feature L2/99" in sentence(client.get(f"/api/graphs/{graph}/features/2/99"), 404)


def test_a_histogram_of_another_tool_may_hold_shares(client, graph, tmp_path):
    details = replace(feature(0), histogram=(0.25, 0.75))
    write_details([details], tmp_path / "shares", "json")
    place = default_location("tiny", "neurons")
    place.parent.mkdir(parents=True)
    import_details(tmp_path / "shares", place, model="tiny")
    told = client.get(f"/api/graphs/{graph}/features/2/0").json()
    assert told["histogram"]["counts"] == [0.25, 0.75]
    assert client.get(f"/api/graphs/{graph}/export", params={"format": "html"}).status_code == 200


def test_a_label_is_kept_in_the_index_and_taken_back(client, graph, index):
    answer = put(client, graph, 0, " my  cats ").json()["label"]
    assert (answer["text"], answer["source"]) == ("my cats", "person")
    assert labels(client, graph)["L2/0"]["text"] == "my cats"
    with open_index(index, writable=True) as opened:
        opened.set_label(2, 0, "animals", "model", author="a model", confidence=0.8)
    assert labels(client, graph)["L2/0"]["text"] == "my cats"
    assert put(client, graph, 0, "").json()["label"]["text"] == "animals"
    assert labels(client, graph)["L2/0"] | {"created": ""} == {
        "text": "animals",
        "source": "model",
        "author": "a model",
        "confidence": 0.8,
        "created": "",
    }
    assert put(client, graph, 0, "x" * 501).status_code == 422
    assert "no feature L2/99" in sentence(put(client, graph, 99, "none"), 404)


def test_pages_hear_of_a_label(client, graph, index, service, monkeypatch):
    heard = []
    monkeypatch.setattr(service.events, "publish", lambda name, **data: heard.append((name, data)))
    put(client, graph, 1, "cows")
    ((name, data),) = heard
    assert (name, data["model"], data["feature"], data["label"]["text"]) == ("label", "tiny", "L2/1", "cows")


def test_search_finds_features_of_this_graph_alone(client, graph, index):
    def found(query: str) -> list[str]:
        answer = client.get(f"/api/graphs/{graph}/texts", params={"query": query})
        return [hit["feature"] for hit in answer.json()]

    assert found("black cow") == ["L2/1"]
    assert found("dog") == []  # it is feature 3 that fires on dogs, which the graph has not
    assert sorted(found("black")) == ["L2/0", "L2/1", "L2/2"]
    put(client, graph, 2, "poultry")
    assert found("poul") == ["L2/2"]


def test_what_people_read_is_called_as_in_the_index(client, graph, index, tmp_path):
    with open_index(index, writable=True) as opened:
        opened.set_label(2, 0, "cats", "model")
    page = client.get(f"/api/graphs/{graph}/export", params={"format": "html"}).text
    found = re.search(r'id="clew-document">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    embedded = json.loads(zlib.decompress(base64.b64decode(found[1])))["index"]
    assert embedded["labels"]["L2/0"]["text"] == "cats"
    assert set(embedded["features"]) >= {"L2/0", "L2/1", "L2/2"}
    whole = client.get(f"/api/graphs/{graph}/features/2/0").json()
    part = embedded["features"]["L2/0"]
    assert len(part["groups"][0]["examples"]) == 5
    for short, long in zip(part["groups"][0]["examples"], whole["groups"][0]["examples"][:5], strict=True):
        assert short == long | {"activations": pytest.approx(long["activations"], rel=1e-2)}
    assert part["top_outputs"] == whole["top_outputs"]
    exported = client.get(f"/api/graphs/{graph}/export", params={"format": "json"})
    clerps = {node["node_id"]: node["clerp"] for node in exported.json()["nodes"]}
    assert clerps["2_0_0"] == clerps["2_0_1"] == "cats"
    plain = client.get(f"/api/graphs/{graph}/export", params={"format": "clew"})
    (tmp_path / "plain.clew").write_bytes(plain.content)
    assert clew.open(tmp_path / "plain.clew").annotations == Annotations()


def test_a_damaged_index_is_told_and_harms_nothing(client, graph, indexes_folder):
    place = default_location("tiny", "neurons")
    indexes_folder.mkdir()
    place.write_bytes(b"no index at all" * 100)
    answer = client.get(f"/api/graphs/{graph}/index").json()
    assert answer["index"] is None
    assert "not an index" in answer["problem"]
    assert client.get(f"/api/graphs/{graph}/summary").status_code == 200
    assert client.get(f"/api/graphs/{graph}/export", params={"format": "html"}).status_code == 200


def test_another_file_in_the_same_place_is_read_anew(client, graph, index, tmp_path):
    assert client.get(f"/api/graphs/{graph}/features/2/0").status_code == 200
    other = make_index(tmp_path / "other")
    with open_index(other, writable=True) as opened:
        opened.set_label(2, 1, "other cows")
    other.replace(index)
    assert labels(client, graph)["L2/1"]["text"] == "other cows"
    index.unlink()
    assert client.get(f"/api/graphs/{graph}/index").json()["index"] is None


def test_an_index_may_be_named(tmp_path, file):
    path = make_index(tmp_path)
    graph: Graph = clew.open(file)
    indexes = Indexes([path])
    assert all(label.by_rule for label in indexes.with_labels(graph).index_labels.values())
    assert indexes.required(graph).path == path
    indexes.close()
    with pytest.raises(ClewError, match="no index"):
        Indexes([tmp_path / "none.sqlite3"])
