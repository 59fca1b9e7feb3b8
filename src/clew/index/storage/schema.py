"""The database of an index: its tables, its migrations, and how it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from clew.errors import ClewError
from clew.files import cannot_read, check_writable, kind_of_file, replacing
from clew.sqlite import connect as connect_database
from clew.sqlite import migrate, version_of
from clew.system_errors import database_sentence

APPLICATION = 0x636C6577
"""`PRAGMA application_id`: the letters "clew", which no other SQLite file has."""

MIGRATIONS: tuple[str, ...] = (
    """
    -- JSON values by name; see docs/guide/what-features-mean.md.
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
"""One step for each version; a step never changes again."""


def connect(path: Path, *, writable: bool = False, create: bool = False) -> sqlite3.Connection:
    """A connection to an index, whose tables are brought to the newest version.

    Raises `ClewError` where the file does not exist, is no index, or was written by a newer clew.
    """
    if not create:
        _check_kind(path)
    try:
        connection = connect_database(path, "rwc" if create else "rw" if writable else "ro")
        try:
            _check(connection, path, writable=writable or create)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise ClewError(database_sentence(f"The index {path}", error)) from error
    return connection


@contextmanager
def new_database(out: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a new index, which appears as `out` when all went well and is gone otherwise.

    Raises `ClewError` where `out` exists already or cannot be written.
    """
    if out.exists():
        raise ClewError(f"{out} exists already; name another file.")
    check_writable(out)
    try:
        with replacing(out) as partial, closing(connect(partial, create=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise ClewError(database_sentence(f"The index {out}", error)) from error


def _check_kind(path: Path) -> None:
    """Raise `ClewError` for a path that leads to no database, which says what it is instead."""
    try:
        kind = kind_of_file(path)
    except FileNotFoundError:
        raise ClewError(
            f"There is no index {path}; make one with clew index --data TEXTS --out {path}."
        ) from None
    except OSError as error:
        raise cannot_read(path, error) from error
    if kind == "a folder":
        raise ClewError(f"{path} is a folder, not an index; name a file in it.")
    if kind == "a graph":
        raise ClewError(
            f"{path} is a graph, not an index. clew show {path} (clew.open in Python) reads it; an index is "
            "made with clew index --data TEXTS."
        )
    if kind != "an SQLite database" and path.stat().st_size:
        what = kind or "a file of another kind"
        raise ClewError(f"{path} is {what}, not an index, which is an SQLite database; name another file.")


def _check(connection: sqlite3.Connection, path: Path, *, writable: bool) -> None:
    version = version_of(connection)
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION:
        raise ClewError(f"{path} is an SQLite file, but no index that clew made.")
    if version > len(MIGRATIONS):
        raise ClewError(
            f"{path} was written by a newer clew (version {version}; this one reads up to "
            f"{len(MIGRATIONS)}): pip install --upgrade clew."
        )
    if version < len(MIGRATIONS) and not writable:
        if not tables:
            raise ClewError(f"{path} is empty, not an index; remove it, or name another file.")
        connect(path, writable=True).close()
    elif version < len(MIGRATIONS):
        migrate(connection, MIGRATIONS, APPLICATION)
