"""The library's one SQLite database: its tables, and a connection for one thread at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from clew.errors import ClewError
from clew.sqlite import connect, migrate, transaction, version_of

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


class Database:
    """One connection behind a lock; raises `ClewError` for a damaged database, and that of a newer clew."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
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
            raise ClewError(
                f"The library's database {path} cannot be used ({error}). Move it away; clew then takes in "
                "the graphs beside it anew."
            ) from error
        if version > len(MIGRATIONS):
            self._connection.close()
            raise ClewError(
                f"A newer clew wrote this library (version {version}; this one knows up to "
                f"{len(MIGRATIONS)}). Run pip install --upgrade clew, or name another folder with "
                "--library DIR."
            )

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._connection

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it happens, or nothing; afterwards it is on the disk."""
        with self._lock, transaction(self._connection) as connection:
            yield connection

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def now() -> str:
    """The current time as rows keep it: ISO 8601, UTC; texts sort as times do."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
