"""The library's one SQLite database: its tables, and a connection for one thread at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from clew.errors import ClewError
from clew.server.errors import RequestError
from clew.sqlite import connect, migrate, transaction, version_of
from clew.system_errors import database_sentence

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE graphs (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        prompt TEXT NOT NULL,
        model TEXT NOT NULL,
        dictionary TEXT NOT NULL,
        answer_text TEXT,
        answer_probability REAL,
        nodes INTEGER NOT NULL,
        features INTEGER NOT NULL,
        edges INTEGER NOT NULL,
        replacement REAL,
        completeness REAL,
        size INTEGER NOT NULL,
        content TEXT NOT NULL,
        created TEXT NOT NULL,
        modified TEXT NOT NULL,
        deleted TEXT
    ) STRICT;
    CREATE INDEX graphs_by_content ON graphs (content);
    CREATE INDEX graphs_by_dictionary ON graphs (model, dictionary);

    -- A value is JSON; null where it was taken back, so that other pages hear of it.
    CREATE TABLE annotations (
        graph TEXT NOT NULL REFERENCES graphs (id) ON DELETE CASCADE,
        key TEXT NOT NULL,
        value TEXT,
        revision INTEGER NOT NULL,
        PRIMARY KEY (graph, key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE labels (
        model TEXT NOT NULL,
        dictionary TEXT NOT NULL,
        feature TEXT NOT NULL,
        text TEXT,
        revision INTEGER NOT NULL,
        PRIMARY KEY (model, dictionary, feature)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        phase TEXT NOT NULL,
        done INTEGER NOT NULL,
        total INTEGER NOT NULL,
        created TEXT NOT NULL,
        started TEXT,
        finished TEXT,
        error TEXT,
        request TEXT NOT NULL,
        result TEXT,
        graph TEXT REFERENCES graphs (id) ON DELETE CASCADE
    ) STRICT;
    CREATE INDEX jobs_by_graph ON jobs (graph);

    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
    INSERT INTO counters VALUES ('revision', 0);
    """,
    # What is "patch" now was called "swap"; quotes within texts are escaped, so this changes no prompt.
    """UPDATE jobs SET request = replace(request, '"how": "swap"', '"how": "patch"');""",
)
"""Each leads from the version that is its place in the list to the next; none is ever changed again."""


FAULTS_OF_CLEW = sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.InterfaceError
"""Errors that no state of a disk explains."""


class Database:
    """One connection behind a lock; raises `ClewError` for a damaged database, and that of a newer clew."""

    def __init__(self, path: Path) -> None:
        self._lock, self._path = threading.RLock(), path
        try:
            self._connection = connect(path, "rwc")
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            version = version_of(self._connection)
            if version <= len(MIGRATIONS):
                migrate(self._connection, MIGRATIONS)
        except sqlite3.Error as error:
            raise self._refusal(error) from error
        if version > len(MIGRATIONS):
            self._connection.close()
            raise ClewError(
                f"A newer clew wrote this library (version {version}; this one knows up to "
                f"{len(MIGRATIONS)}). Run pip install --upgrade clew, or name another folder with "
                "--library DIR."
            )

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection for this thread alone; raises `RequestError` where the file cannot be read."""
        with self._lock, self._errors_as_sentences():
            yield self._connection

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it happens, or nothing; afterwards it is on the disk.

        Raises `RequestError` where the file cannot be written.
        """
        with self._lock, self._errors_as_sentences(), transaction(self._connection) as connection:
            yield connection

    @contextmanager
    def _errors_as_sentences(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if isinstance(error, FAULTS_OF_CLEW):
                raise
            raise self._refusal(error) from error

    def _refusal(self, error: sqlite3.Error) -> RequestError:
        """A sentence about the folder; where the database is damaged, with the way to start anew."""
        anew = f"move {self._path.name} away; clew then takes in the graphs beside it anew"
        sentence = database_sentence(f"The library's database {self._path}", error, anew)
        return RequestError(503, sentence)

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def now() -> str:
    """The current time as rows keep it: ISO 8601, UTC; texts sort as times do."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
