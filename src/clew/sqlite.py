"""SQLite databases: opened safely, migrated step by step, changed whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

SECONDS_TO_WAIT = 30.0
"""For another process that is writing."""


def connect(path: Path, mode: Literal["ro", "rw", "rwc"]) -> sqlite3.Connection:
    """A connection that begins no transaction by itself and trusts nothing in the file.

    `mode` is SQLite's: read, write, or write and create. Raises `sqlite3.Error` where it cannot be opened.
    """
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        timeout=SECONDS_TO_WAIT,
        check_same_thread=False,
        isolation_level=None,
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """The number of migrations that a database has seen."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return version


def migrate(connection: sqlite3.Connection, migrations: Sequence[str], application: int = 0) -> None:
    """Run the migrations that a database has not seen yet, each whole or not at all.

    Each of the `migrations` leads from the version that is its place in the list to the next; none is ever
    changed again. `application` is what `PRAGMA application_id` then says.
    """
    for number in range(version_of(connection), len(migrations)):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;{migrations[number]};PRAGMA application_id = {application};"
                f"PRAGMA user_version = {number + 1};COMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.rollback()
            raise


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction: all of it happens, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
