"""The library: list, import, rename, delete with undo; and its folder when things go wrong."""

from __future__ import annotations

import gc
import sqlite3
import tracemalloc
from dataclasses import replace

import pytest

import clew
from clew import ClewError
from clew.graph.reader import open_graph
from clew.server.library import Library
from clew.server.open_graphs import OpenGraph
from tests.graph.random_graphs import random_graph
from tests.server.conftest import brought, sentence


def test_an_imported_graph_is_listed_with_what_it_is_about(client, graph_file):
    entry = brought(client, graph_file, name="my graph")
    assert client.get("/api/graphs").json() == [entry]
    assert client.get(f"/api/graphs/{entry['id']}").json() == entry
    original = random_graph()
    best = max(original.info.targets, key=lambda target: target.weight)
    assert entry["name"] == "my graph"
    assert entry["prompt"] == "a random prompt"
    assert entry["answer"] == {"text": best.text, "probability": pytest.approx(best.probability)}
    assert (entry["nodes"], entry["edges"]) == (original.n_nodes, original.n_edges)
    assert entry["scores"] is None
    assert entry["size"] > 1000


def test_the_newest_comes_first_and_a_name_is_the_prompt_until_it_has_another(client, graph_file):
    first, second = brought(client, graph_file), brought(client, graph_file)
    assert [entry["id"] for entry in client.get("/api/graphs").json()] == [second["id"], first["id"]]
    assert first["name"] == "a random prompt"
    renamed = client.patch(f"/api/graphs/{first['id']}", json={"name": "<b>Paris</b>"}).json()
    assert renamed["name"] == "<b>Paris</b>"
    assert renamed["modified"] >= first["modified"]


def test_a_graph_in_neuronpedias_json_is_taken_in_too(client, tmp_path):
    entry = brought(client, random_graph().save(tmp_path / "graph.json"))
    assert entry["features"] == random_graph().size.features


def test_a_deleted_graph_is_out_of_sight_until_it_is_restored(client, graph):
    assert client.delete(f"/api/graphs/{graph}").status_code == 204
    assert client.get("/api/graphs").json() == []
    for path in ("", "/arrays", "/annotations", "/export?format=clew"):
        assert "may have been deleted" in sentence(client.get(f"/api/graphs/{graph}{path}"), 404)
    assert client.post(f"/api/graphs/{graph}/restore").json()["id"] == graph
    assert client.get(f"/api/graphs/{graph}/arrays").status_code == 200


def test_what_was_deleted_a_month_ago_is_gone_at_the_next_start(tmp_path, graph_file):
    library = Library(tmp_path / "library")
    old, young = library.import_file(graph_file).id, library.import_file(graph_file).id
    library.delete(old)
    library.delete(young)
    with library.database.changing() as connection:
        connection.execute("UPDATE graphs SET deleted = '2020-01-01T00:00:00.000+00:00' WHERE id = ?", [old])
    library.close()
    again = Library(tmp_path / "library")
    assert again.restore(young).id == young
    with pytest.raises(ClewError, match="There is no graph"):
        again.restore(old)
    assert not (again.folder / f"{old}.clew").exists()
    again.close()


def test_what_clew_did_not_make_stays_in_the_folder(tmp_path):
    folder = tmp_path / "library"
    folder.mkdir()
    own = [f".upload-{'0' * 16}.part", f".{'a' * 32}.clew.{'0' * 8}.part"]
    others = [".notes.part", ".upload-mine.part", "notes.txt", f"{'b' * 32}.clew"]
    for name in (*own, *others):
        (folder / name).write_text("text")
    Library(folder).close()
    assert [name for name in own if (folder / name).exists()] == []
    assert [name for name in others if not (folder / name).exists()] == []


def test_a_graph_in_memory_counts_what_it_holds(tmp_path):
    path = random_graph().save(tmp_path / "graph.json")  # with the fields of the foreign format
    assert OpenGraph(open_graph(path)).features  # what modules keep is made
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    opened = OpenGraph(open_graph(path))
    assert opened.nodes
    assert opened.features
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 0.7 < opened.size / held < 1.5


def test_a_file_is_taken_in_once_by_its_content(library, graph_file, tmp_path):
    first = library.import_file_once(graph_file)
    copy = tmp_path / "copy.clew"
    copy.write_bytes(graph_file.read_bytes())
    assert library.import_file_once(copy) == first
    library.delete(first.id)
    assert library.import_file_once(copy).id != first.id
    with pytest.raises(ClewError, match="There is no file"):
        library.import_file_once(tmp_path / "none.clew")


def test_a_second_server_on_the_same_folder_is_refused(library):
    with pytest.raises(ClewError, match=r"Another clew uses the library .* --library DIR"):
        Library(library.folder)


def test_a_library_of_a_newer_clew_is_refused(library, tmp_path):
    library.close()
    with sqlite3.connect(library.folder / "library.sqlite3") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(
        ClewError, match=r"A newer clew wrote this library \(version 99; this one knows up to 2\)"
    ):
        Library(library.folder)
    with pytest.raises(ClewError, match="newer clew"):  # and the folder is free again
        Library(library.folder)


def test_a_damaged_database_is_refused_and_without_it_the_files_are_taken_in_anew(tmp_path, graph_file):
    library = Library(tmp_path / "library")
    kept = library.import_file(graph_file, "named").id
    library.close()
    database = library.folder / "library.sqlite3"
    database.write_bytes(b"not a database at all, not by any means" * 100)
    with pytest.raises(ClewError, match="cannot be used"):
        Library(tmp_path / "library")
    database.unlink()
    again = Library(tmp_path / "library")
    assert [entry.id for entry in again.entries()] == [kept]
    again.close()


def test_a_file_that_is_gone_or_damaged_is_told(client, library, graph):
    path = library.folder / f"{graph}.clew"
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged or cut off" in sentence(client.get(f"/api/graphs/{graph}/arrays"), 422)
    path.unlink()
    assert "is gone from the library's folder" in sentence(client.get(f"/api/graphs/{graph}/arrays"), 404)


def test_an_upload_that_is_refused_leaves_nothing(client, library, graph_file):
    client.post("/api/graphs", content=graph_file.read_bytes()[:1000])
    assert not list(library.folder.glob(".upload*"))


def test_uploads_that_a_killed_server_left_are_removed(library):
    library.new_upload().write_bytes(b"half")
    library.close()
    again = Library(library.folder)
    assert not list(library.folder.glob(".upload*"))
    again.close()


def test_a_folder_that_cannot_be_one_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ClewError, match="cannot be used"):
        Library(tmp_path / "file" / "library")


def test_what_is_stored_opens_in_python_and_is_the_graph(client, library, graph):
    stored = clew.open(library.folder / f"{graph}.clew")
    assert repr(stored) == repr(random_graph())


def test_a_long_prompt_is_listed_in_short(library):
    graph = random_graph()
    long = replace(graph, info=replace(graph.info, prompt="word " * 5000))
    entry = library.add(long)
    assert len(entry.prompt) == 2000
    assert len(entry.name) == 80
