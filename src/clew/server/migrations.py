"""The tables of a library's database, as the steps that lead from one version to the next."""

from __future__ import annotations

import sqlite3

from clew.errors import ClewError

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
)
"""Each leads from the version that is its place in the list to the next; none is ever changed again."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database to the newest version, step by step; a step happens whole or not at all.

    Raises `ClewError` for a database that a newer clew wrote.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise ClewError(
            f"This library was written by a newer clew (version {version}; this one knows up to "
            f"{len(MIGRATIONS)}): pip install --upgrade clew, or name another folder with --library DIR."
        )
    for number, step in enumerate(MIGRATIONS[version:], start=version + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE;{step};PRAGMA user_version = {number};COMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.rollback()
            raise
