"""A library whose folder, disk or database fails while it is served: a sentence, not a fault of clew."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from clew.errors import ClewError
from clew.server.library import Library

from .conftest import sentence

Change = Callable[[TestClient, str, Path], Any]
GROUP = {"name": "a group", "members": [], "color": None}
CHANGES: dict[str, Change] = {
    "import": lambda client, graph, file: client.post("/api/graphs", content=file.read_bytes()),
    "rename": lambda client, graph, file: client.patch(f"/api/graphs/{graph}", json={"name": "other"}),
    "delete": lambda client, graph, file: client.delete(f"/api/graphs/{graph}"),
    "restore": lambda client, graph, file: client.post(f"/api/graphs/{graph}/restore"),
    "annotate": lambda client, graph, file: client.patch(
        f"/api/graphs/{graph}/annotations", json={"base": 0, "changes": {"group:a": GROUP}}
    ),
    "job": lambda client, graph, file: client.post("/api/jobs", json={"kind": "load", "model": "tiny"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_turns_read_only(
    client: TestClient, library: Library, graph: str, graph_file: Path, change: str
):
    library.database._connection.execute("PRAGMA query_only = ON")  # what SQLite does in such a folder
    answer = CHANGES[change](client, graph, graph_file)
    path = library.folder / "library.sqlite3"
    assert sentence(answer, 503) == (
        f"The library's database {path} cannot be used: it, or its folder, is read-only; make both writable, "
        "or choose another place."
    )
    assert [entry["id"] for entry in client.get("/api/graphs").json()] == [graph]
    assert client.get(f"/api/graphs/{graph}/arrays").status_code == 200
    assert sorted(each.name for each in library.folder.glob("*.clew")) == [f"{graph}.clew"]


def test_a_database_that_another_program_holds(client: TestClient, library: Library, graph: str):
    library.database._connection.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(library.folder / "library.sqlite3", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    refused = client.patch(f"/api/graphs/{graph}", json={"name": "other"})
    assert "cannot be used: another program is using it; stop that one" in sentence(refused, 503)
    other.execute("ROLLBACK")
    other.close()
    assert client.patch(f"/api/graphs/{graph}", json={"name": "other"}).status_code == 200


def test_a_full_disk(client: TestClient, library: Library, graph: str):
    library.database._connection.execute("PRAGMA max_page_count = 1")
    changes = {f"group:{number}": GROUP | {"name": "x" * 1000} for number in range(100)}
    answer = client.patch(f"/api/graphs/{graph}/annotations", json={"base": 0, "changes": changes})
    assert "cannot be used: the disk is full; make room on it" in sentence(answer, 503)
    assert client.get(f"/api/graphs/{graph}/annotations").json()["values"] == {}


def test_a_folder_that_vanishes(client: TestClient, library: Library, graph: str, graph_file: Path):
    shutil.rmtree(library.folder)
    assert "cannot be used: No such file or directory; it may have been moved" in sentence(
        CHANGES["import"](client, graph, graph_file), 503
    )
    answer = client.get(f"/api/graphs/{graph}/arrays")
    assert answer.status_code in (404, 503)
    assert "Unexpected" not in answer.text


@pytest.mark.parametrize("damage", [b"no database at all " * 300, b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_database_says_how_to_start_anew(tmp_path: Path, damage: bytes):
    path = tmp_path / "library.sqlite3"
    path.write_bytes(damage)
    with pytest.raises(
        ClewError, match=r"cannot be used: .*; move library\.sqlite3 away; clew then takes in"
    ):
        Library(tmp_path)


def test_a_sentence_may_name_a_file_that_is_not_utf_8(client: TestClient, library: Library, monkeypatch):
    def fail() -> None:
        raise ClewError("caf\udce9.clew is gone.")

    monkeypatch.setattr(library, "entries", fail)
    assert sentence(client.get("/api/graphs"), 422) == "caf\\udce9.clew is gone."
