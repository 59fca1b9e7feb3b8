"""The tables of an index, as the steps that lead from one version to the next; and how it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clew.errors import ClewError

APPLICATION = 0x636C6577
"""`PRAGMA application_id`: "clew", which tells an index from other SQLite files."""

MIGRATIONS: tuple[str, ...] = (
    """
    -- JSON values by name; see docs/examples.md.
    CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

    -- id counts the features of all layers through. Blobs are little-endian; see clew.index.storage.blobs.
    CREATE TABLE features (
        id INTEGER PRIMARY KEY,
        layer INTEGER NOT NULL,
        feature INTEGER NOT NULL,
        frequency REAL NOT NULL,
        mean REAL,
        total INTEGER,
        minimum REAL,
        maximum REAL,
        histogram BLOB,
        top_outputs BLOB,
        bottom_outputs BLOB,
        frequent_tokens BLOB,
        strongest_tokens BLOB,
        frequent_low BLOB,
        strongest_low BLOB,
        imported TEXT
    ) STRICT;

    CREATE TABLE tokens (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
    CREATE TABLE windows (id INTEGER PRIMARY KEY, tokens BLOB NOT NULL) STRICT;

    -- kind: 0 top, from 1 on levels below it; -1 bottom (most negative), from -2 down levels above it.
    -- position: of the peak in its window; first: of the first token whose activation is stored;
    -- context: a hash of the tokens that end with the peak, which tells examples apart (0 if imported).
    CREATE TABLE examples (
        feature INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        window INTEGER NOT NULL,
        position INTEGER NOT NULL,
        first INTEGER NOT NULL,
        peak REAL NOT NULL,
        context INTEGER NOT NULL,
        activations BLOB NOT NULL,
        PRIMARY KEY (feature, kind, rank)
    ) STRICT, WITHOUT ROWID;

    -- Older rows are history. An empty text takes back what its source said.
    CREATE TABLE labels (
        id INTEGER PRIMARY KEY,
        feature INTEGER NOT NULL,
        text TEXT NOT NULL,
        source TEXT NOT NULL,
        author TEXT NOT NULL,
        confidence REAL,
        created TEXT NOT NULL,
        detail TEXT
    ) STRICT;
    CREATE INDEX labels_by_feature ON labels (feature);

    CREATE VIRTUAL TABLE label_search USING fts5 (label);
    CREATE VIRTUAL TABLE text_search USING fts5 (outputs, peaks, examples, content = '');
    """,
)
"""Each leads from the version that is its place in the list to the next; none is ever changed again."""

SECONDS_TO_WAIT = 30.0
"""For another process that is writing."""


def connect(path: Path, *, writable: bool = False, create: bool = False) -> sqlite3.Connection:
    """A connection to an index, its tables brought to the newest version where it may be written.

    Raises `ClewError` where there is no such file, where it is no index, and where a newer clew wrote it.
    """
    if not create and not path.is_file():
        raise ClewError(f"There is no index {path}; make one with clew index --data TEXTS --out {path}.")
    mode = "rwc" if create else "rw" if writable else "ro"
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={mode}",
            uri=True,
            timeout=SECONDS_TO_WAIT,
            check_same_thread=False,
            isolation_level=None,
        )
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            _check(connection, path, migrate=writable or create)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise ClewError(f"{path} cannot be used as an index ({error}).") from error
    return connection


def _check(connection: sqlite3.Connection, path: Path, *, migrate: bool) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION:
        raise ClewError(f"{path} is an SQLite file, but no index that clew made.")
    if version > len(MIGRATIONS):
        raise ClewError(
            f"{path} was written by a newer clew (version {version}; this one knows up to "
            f"{len(MIGRATIONS)}): pip install --upgrade clew."
        )
    if version < len(MIGRATIONS) and not migrate:
        if not tables:
            raise ClewError(f"{path} is empty, and no index; remove it, or name another.")
        connect(path, writable=True).close()
    elif version < len(MIGRATIONS):
        _migrate(connection, version)


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Step by step; a step happens whole or not at all."""
    for number, step in enumerate(MIGRATIONS[version:], start=version + 1):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;{step};PRAGMA application_id = {APPLICATION};"
                f"PRAGMA user_version = {number};COMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.rollback()
            raise


@contextmanager
def changing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction: all of it happens, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
