"""A folder of graphs: `.clew` files named by id, and the database about them."""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import threading
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout

from clew.errors import ClewError
from clew.files import named_path
from clew.graph.graph import Graph
from clew.graph.reader import open_graph
from clew.server.annotation_rows import AnnotationRows, annotations_of, values_of
from clew.server.database import Database, now
from clew.server.errors import RequestError, no_graph
from clew.server.file_limits import DEFAULT_LIMITS, FileLimits, check_file, check_graph
from clew.server.open_graphs import OpenGraph, OpenGraphs
from clew.server.schemas.library import GraphEntry, ScorePair, TopTarget

DELETED_FOR = timedelta(days=30)
"""Time in which a deleted graph can be restored."""
MOST_OF_PROMPT, MOST_OF_NAME = 2_000, 80
ADVICE = "name another folder with --library DIR."
OWN_PART = re.compile(r"\.(upload-[0-9a-f]{16}|[0-9a-f]{32}\.clew\.[0-9a-f]{8})\.part")
OWN_FILE = re.compile(r"([0-9a-f]{32})\.clew")


def default_folder() -> Path:
    """The folder of the library where none is named."""
    return platformdirs.user_data_path("clew") / "library"


class Library:
    """The graphs of one folder, for one server at a time.

    A graph's file never changes; names, annotations and labels are rows of the database. Raises `ClewError`
    for a folder that cannot be used, or that another server uses.
    """

    def __init__(self, folder: Path, limits: FileLimits = DEFAULT_LIMITS) -> None:
        self.folder, self.limits = named_path(folder).absolute(), limits
        self._lock = _locked(self.folder)
        try:
            self.database = Database(self.folder / "library.sqlite3")
        except BaseException:
            self._lock.release()
            raise
        self.annotations = AnnotationRows(self.database)
        self.open_graphs = OpenGraphs(self.path_of)
        self._import_lock = threading.Lock()
        self._clean_up()

    def close(self) -> None:
        self.database.close()
        self._lock.release()

    def entries(self) -> list[GraphEntry]:
        """All graphs that are not deleted, newest first."""
        with self.database.reading() as connection:
            rows = "SELECT * FROM graphs WHERE deleted IS NULL ORDER BY created DESC, rowid DESC"
            return [_entry(row) for row in connection.execute(rows)]

    def entry(self, graph: str) -> GraphEntry:
        """One graph's entry; raises `RequestError` where there is none."""
        with self.database.reading() as connection:
            return _entry(_row(connection, graph))

    def path_of(self, graph: str) -> Path:
        """The file of a graph that the database knows; no other name ever leads to a file here."""
        with self.database.reading() as connection:
            path = self.folder / f"{_row(connection, graph)['id']}.clew"
        if not path.is_file():
            sentence = "The file of this graph is gone from the library's folder; import it again."
            raise RequestError(404, sentence)
        return path

    def opened(self, graph: str) -> OpenGraph:
        """A graph in memory; raises `ClewError` for one that does not exist, or whose file is damaged."""
        self.entry(graph)  # a deleted one may still be in memory
        return self.open_graphs.get(graph)

    def new_upload(self) -> Path:
        """A path that a file may be written to before it is imported."""
        return self.folder / f".upload-{secrets.token_hex(8)}.part"

    def import_file(self, path: Path, name: str | None = None, called: str = "The file") -> GraphEntry:
        """Put a file's graph into the library; raises `ClewError`, naming an unusable file as `called`."""
        with self._import_lock:  # one at a time: checking a large file takes much memory
            try:
                check_file(path, self.limits)
                graph = open_graph(path)
                check_graph(graph, self.limits)
            except ClewError as error:
                sentence = str(error).replace(str(path), called)
                raise RequestError(getattr(error, "status", 422), sentence) from error
            return self.add(graph, name, content=digest_of(path))

    def import_file_once(self, path: Path) -> GraphEntry:
        """Import a file, or find its graph where the same file was imported before."""
        if not path.is_file():
            raise ClewError(f"There is no file {path}; check the name and the folder.")
        same = "SELECT * FROM graphs WHERE content = ? AND deleted IS NULL"
        with self.database.reading() as connection:
            row = connection.execute(same, [digest_of(path)]).fetchone()
        return _entry(row) if row else self.import_file(path, called=str(path))

    def add(self, graph: Graph, name: str | None = None, content: str = "") -> GraphEntry:
        """Put a valid graph into the library, with its annotations."""
        new = uuid.uuid4().hex
        path = graph.save(self.folder / f"{new}.clew")
        try:
            return self._add_row(new, graph, path, name, content)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _add_row(self, new: str, graph: Graph, path: Path, name: str | None, content: str) -> GraphEntry:
        row = _columns(new, graph, name) | {"size": path.stat().st_size, "content": content}
        values = values_of(graph.annotations, OpenGraph(graph))
        with self.database.changing() as connection:
            connection.execute(
                f"INSERT INTO graphs ({', '.join(row)}) VALUES ({', '.join(f':{column}' for column in row)})",
                row,
            )
            self.annotations.add(connection, new, values)
        return self.entry(new)

    def annotated(self, graph: str) -> Graph:
        """The graph with everything that people added to it."""
        opened = self.opened(graph)
        _, values = self.annotations.read(graph, opened)
        return replace(
            opened.graph, annotations=replace(annotations_of(values), others=opened.graph.annotations.others)
        )

    def rename(self, graph: str, name: str) -> GraphEntry:
        """Give a graph another name."""
        return self._update(graph, "name = :value, modified = :now", value=name)

    def delete(self, graph: str) -> None:
        """Hide a graph; it is removed for good after `DELETED_FOR`."""
        self._update(graph, "deleted = :now")

    def restore(self, graph: str) -> GraphEntry:
        """Bring a deleted graph back; another one stays as it is."""
        return self._update(graph, "deleted = NULL", deleted=True)

    def _update(self, graph: str, change: str, *, deleted: bool = False, value: str = "") -> GraphEntry:
        with self.database.changing() as connection:
            _row(connection, graph, deleted=deleted)
            connection.execute(
                f"UPDATE graphs SET {change} WHERE id = :graph",
                {"graph": graph, "value": value, "now": now()},
            )
            return _entry(_row(connection, graph, deleted=True))

    def _clean_up(self) -> None:
        """Remove old deleted graphs and unfinished uploads; add graph files that have no row."""
        for part in self.folder.glob(".*.part"):
            if OWN_PART.fullmatch(part.name):  # others may keep unfinished files here too
                part.unlink(missing_ok=True)
        limit = (datetime.now(UTC) - DELETED_FOR).isoformat(timespec="milliseconds")
        with self.database.changing() as connection:
            old = connection.execute("DELETE FROM graphs WHERE deleted < ? RETURNING id", [limit])
            removed = {row["id"] for row in old}
            listed = {row["id"] for row in connection.execute("SELECT id FROM graphs")}
        for graph in removed:
            (self.folder / f"{graph}.clew").unlink(missing_ok=True)
        for path in sorted(self.folder.glob("*.clew")):
            match = OWN_FILE.fullmatch(path.name)
            if match and match[1] not in listed | removed:
                self._adopt(match[1], path)

    def _adopt(self, graph: str, path: Path) -> None:
        """Add a row for a file: the server died before it wrote one, or the database was moved away."""
        with suppress(ClewError):  # the file stays where it is
            self._add_row(graph, open_graph(path), path, None, "")


def digest_of(path: Path) -> str:
    """A digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _columns(graph_id: str, graph: Graph, name: str | None) -> dict[str, Any]:
    """The row of a graph, without the size and digest of its file."""
    info = graph.info
    answer = max(info.targets, key=lambda target: target.weight, default=None)
    scores = info.pruned_scores or info.scores
    time = now()
    return {
        "id": graph_id,
        "name": name or _shortened(" ".join(info.question.split()), MOST_OF_NAME) or "a graph",
        "prompt": _shortened(info.question, MOST_OF_PROMPT),
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


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _entry(row: sqlite3.Row) -> GraphEntry:
    answer, *scores = row["answer_text"], row["replacement"], row["completeness"]
    return GraphEntry(
        **{name: row[name] for name in GraphEntry.model_fields if name not in ("answer", "scores")},
        answer=None if answer is None else TopTarget(text=answer, probability=row["answer_probability"]),
        scores=None if scores[0] is None else ScorePair(replacement=scores[0], completeness=scores[1]),
    )


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
        raise ClewError(f"Another clew uses the library {folder}; stop that one, or {ADVICE}") from None
    except OSError as error:
        raise ClewError(f"The library {folder} cannot be used ({error.strerror}); {ADVICE}") from error
