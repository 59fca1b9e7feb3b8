"""A folder of graphs: `.clew` files named by id, and the database that knows them."""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout

from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.graph.reader import open_graph
from clew.server.annotations import AnnotationRows, annotations_of, values_of
from clew.server.database import Database, now
from clew.server.errors import RequestError, no_graph
from clew.server.limits import DEFAULT_LIMITS, FileLimits, check_file, check_graph
from clew.server.open_graphs import OpenGraph, OpenGraphs

KEPT_DELETED = timedelta(days=30)
"""How long a deleted graph can be brought back."""
SHOWN_OF_PROMPT, SHOWN_OF_NAME = 2_000, 80
OWN_FILE = re.compile(r"([0-9a-f]{32})\.clew")


def default_folder() -> Path:
    """Where the library lies when nobody says."""
    return platformdirs.user_data_path("clew") / "library"


class Library:
    """The graphs of one folder, for one server at a time.

    A graph's file never changes; names, annotations and labels are rows of the database. Raises `ClewError`
    for a folder that cannot be used, or that another server uses.
    """

    def __init__(self, folder: Path, limits: FileLimits = DEFAULT_LIMITS) -> None:
        self.folder, self.limits = folder.expanduser().absolute(), limits
        self._lock = _locked(self.folder)
        try:
            self.database = Database(self.folder / "library.sqlite3")
        except BaseException:
            self._lock.release()
            raise
        self.annotations = AnnotationRows(self.database)
        self.open_graphs = OpenGraphs(self.path_of)
        self._taking_in = threading.Lock()
        self._clear_up()

    def close(self) -> None:
        self.database.close()
        self._lock.release()

    def entries(self) -> list[dict[str, Any]]:
        """All graphs that are not deleted, the newest first."""
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM graphs WHERE deleted IS NULL ORDER BY created DESC, rowid DESC"
            )
            return [entry_of(row) for row in rows]

    def entry(self, graph: str) -> dict[str, Any]:
        with self.database.reading() as connection:
            return entry_of(_row(connection, graph))

    def path_of(self, graph: str) -> Path:
        """The file of a graph that the database knows; nothing else ever names a file here."""
        with self.database.reading() as connection:
            path = self.folder / f"{_row(connection, graph)['id']}.clew"
        if not path.is_file():
            raise RequestError(
                404, "The file of this graph is gone from the library's folder; import it again."
            )
        return path

    def opened(self, graph: str) -> OpenGraph:
        self.entry(graph)  # a deleted one may still be in memory
        return self.open_graphs.get(graph)

    def new_upload(self) -> Path:
        """Where a file may be written before it is taken in."""
        return self.folder / f".upload-{secrets.token_hex(8)}.part"

    def take_in(self, path: Path, name: str | None = None, called: str = "The file") -> dict[str, Any]:
        """Check a file and put its graph into the library; `called` names the file in what is refused.

        Raises `ClewError` for anything that is no sound graph.
        """
        with self._taking_in:  # one at a time: a large file takes much memory while it is checked
            try:
                check_file(path, self.limits)
                graph = open_graph(path)
                check_graph(graph, self.limits)
            except ClewError as error:
                sentence = str(error).replace(str(path), called)
                raise RequestError(getattr(error, "status", 422), sentence) from error
            return self.add(graph, name, content=content_of(path))

    def take_in_once(self, path: Path) -> dict[str, Any]:
        """The same, for a file that may be in the library already."""
        if not path.is_file():
            raise ClewError(f"There is no file {path}; check the name and the folder.")
        with self.database.reading() as connection:
            row = connection.execute(
                "SELECT * FROM graphs WHERE content = ? AND deleted IS NULL", [content_of(path)]
            ).fetchone()
        return entry_of(row) if row else self.take_in(path, called=str(path))

    def add(self, graph: Graph, name: str | None = None, content: str = "") -> dict[str, Any]:
        """Put a sound graph into the library, with what its file says about nodes."""
        new = uuid.uuid4().hex
        path = graph.save(self.folder / f"{new}.clew")
        try:
            return self._add_row(new, graph, path, name, content)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _add_row(self, new: str, graph: Graph, path: Path, name: str | None, content: str) -> dict[str, Any]:
        row = columns_of(new, graph, name) | {"size": path.stat().st_size, "content": content}
        values = values_of(graph.annotations, OpenGraph(graph))
        with self.database.changing() as connection:
            connection.execute(
                f"INSERT INTO graphs ({', '.join(row)}) VALUES ({', '.join(f':{column}' for column in row)})",
                row,
            )
            self.annotations.add(connection, new, values)
        return self.entry(new)

    def annotated(self, graph: str) -> Graph:
        """The graph with all that people added to it."""
        opened = self.opened(graph)
        _, values = self.annotations.read(graph, opened)
        return replace(opened.graph, annotations=annotations_of(values))

    def rename(self, graph: str, name: str) -> dict[str, Any]:
        return self._update(graph, "name = :value, modified = :now", value=name)

    def delete(self, graph: str) -> None:
        """Out of sight; gone for good some weeks later."""
        self._update(graph, "deleted = :now")

    def restore(self, graph: str) -> dict[str, Any]:
        return self._update(graph, "deleted = NULL", deleted=True)

    def _update(self, graph: str, change: str, *, deleted: bool = False, value: str = "") -> dict[str, Any]:
        with self.database.changing() as connection:
            _row(connection, graph, deleted=deleted)
            connection.execute(
                f"UPDATE graphs SET {change} WHERE id = :graph",
                {"graph": graph, "value": value, "now": now()},
            )
            return entry_of(_row(connection, graph, deleted=True))

    def _clear_up(self) -> None:
        """Remove what was deleted long ago and uploads cut short; take in files that no row knows."""
        for part in self.folder.glob(".*.part"):
            part.unlink(missing_ok=True)
        limit = (datetime.now(UTC) - KEPT_DELETED).isoformat(timespec="milliseconds")
        with self.database.changing() as connection:
            old = connection.execute("DELETE FROM graphs WHERE deleted < ? RETURNING id", [limit])
            gone = [row["id"] for row in old]
            known = {row["id"] for row in connection.execute("SELECT id FROM graphs")}
        for graph in gone:
            (self.folder / f"{graph}.clew").unlink(missing_ok=True)
        for path in sorted(self.folder.glob("*.clew")):
            match = OWN_FILE.fullmatch(path.name)
            if match and match[1] not in known | set(gone):
                self._adopt(match[1], path)

    def _adopt(self, graph: str, path: Path) -> None:
        """The server died before it wrote the row, or the database was moved away."""
        try:
            self._add_row(graph, open_graph(path), path, None, "")
        except ClewError:
            return  # left where it is


def columns_of(graph_id: str, graph: Graph, name: str | None) -> dict[str, Any]:
    """What a row says about a graph; a file's size and content come beside."""
    info = graph.info
    answer = max(info.targets, key=lambda target: target.weight, default=None)
    scores = info.pruned_scores or info.scores
    time = now()
    return {
        "id": graph_id,
        "name": name or _shortened(" ".join(info.prompt.split()), SHOWN_OF_NAME) or "a graph",
        "prompt": _shortened(info.prompt, SHOWN_OF_PROMPT),
        "model": info.model,
        "dictionary": info.dictionary,
        "answer_text": answer and answer.text,
        "answer_probability": answer and answer.probability,
        **vars(graph.size),
        "replacement": scores and scores.replacement,
        "completeness": scores and scores.completeness,
        "created": time,
        "modified": time,
    }


def entry_of(row: sqlite3.Row) -> dict[str, Any]:
    """As the API says it."""
    same = "id", "name", "prompt", "model", "dictionary", "nodes", "features", "edges", "size"
    answer = {"text": row["answer_text"], "probability": row["answer_probability"]}
    scores = {"replacement": row["replacement"], "completeness": row["completeness"]}
    return {
        **{name: row[name] for name in (*same, "created", "modified")},
        "answer": None if row["answer_text"] is None else answer,
        "scores": None if row["replacement"] is None else scores,
    }


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def content_of(path: Path) -> str:
    """What tells one file's content from another's."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _row(connection: sqlite3.Connection, graph: str, *, deleted: bool = False) -> sqlite3.Row:
    row = connection.execute("SELECT * FROM graphs WHERE id = ?", [graph]).fetchone()
    if row is None or (row["deleted"] and not deleted):
        raise no_graph(graph)
    return row


def _locked(folder: Path) -> FileLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
        return lock
    except Timeout:
        raise ClewError(
            f"The library {folder} is in use by another clew; stop that one, or name another folder with "
            "--library DIR."
        ) from None
    except OSError as error:
        raise ClewError(
            f"The library {folder} cannot be used ({error.strerror}); name another folder with --library DIR."
        ) from error
