"""Graphs, indexes and libraries of version 0.1 open, with all that people had put into them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import clew
from clew.feature import Feature
from clew.server.app import make_app, make_state
from clew.server.library import Library
from clew.server.model_cache import ModelCache
from clew.server.security import access_to

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", ["graph.clew", "graph.json"])
def test_a_graph_opens_with_its_annotations(name):
    graph = clew.open(HERE / name)
    assert (graph.n_nodes, graph.n_edges) == (202, 737)
    assert graph.info.tokens == ("<filename>", "The", " opposite", " of", " hot", " is")
    assert graph.annotations.labels == {"0_97_1": "temperature words"}
    assert graph.annotations.feature_labels == {"L0/366": "says cold"}
    assert graph.annotations.supernodes == (("Opposites", ("0_173_1", "0_284_1")),)
    assert graph.annotations.pins == ("0_366_1",)
    assert graph.info.scores is not None
    assert graph.info.scores.replacement == pytest.approx(0.476248, abs=1e-6)
    assert graph.info.settings["max_nodes"] == 4096


def test_an_index_opens_with_its_labels(tmp_path):
    path = shutil.copy(HERE / "index.sqlite3", tmp_path)
    with clew.open_index(path) as index:
        assert index.labels([(13, 441)])[Feature(13, 441)].text == "opposites, by hand"
        feature = index.feature(13, 456)
        assert feature is not None
        assert feature.frequency > 0
        assert len(feature.groups[0].examples) == 2


def test_a_library_opens_with_its_graphs_and_their_annotations(tmp_path):
    library = Library(Path(shutil.copytree(HERE / "library", tmp_path / "library")))
    service = make_state(library, ModelCache())
    try:
        home = "http://localhost:8417"
        with TestClient(make_app(service, access_to("127.0.0.1", None)), base_url=home) as client:
            (entry,) = client.get("/api/graphs").json()
            assert (entry["name"], entry["nodes"], entry["edges"]) == ("A graph of version 0.1", 54, 309)
            values = client.get(f"/api/graphs/{entry['id']}/annotations").json()["values"]
            assert values == {"label:0_40_0": "first", "pin:0_269_0": True}
            assert client.get(f"/api/graphs/{entry['id']}/summary").status_code == 200
    finally:
        service.jobs.stop()
        library.close()
