"""The texts of an index: windows of token ids, and the text of each token."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from random import Random

import numpy as np

from clew.index.storage.blobs import pack_tokens, unpack_tokens
from clew.index.storage.record import PEAK_TOKENS

IDS_AT_ONCE = 500
"""Ids in one query."""
DRAWS = 4
"""Tries for each window wanted, since some are drawn twice."""


class TokenTexts:
    """The texts of tokens, each read once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._texts: dict[int, str] = {}

    def __call__(self, ids: Iterable[int]) -> list[str]:
        """The text of each token; an empty one where an index does not have it."""
        ids, texts = list(ids), self._texts
        missing = [number for number in set(ids) if number not in texts]
        for begin in range(0, len(missing), IDS_AT_ONCE):
            group = missing[begin : begin + IDS_AT_ONCE]
            marks = ",".join("?" * len(group))
            query = f"SELECT id, text FROM tokens WHERE id IN ({marks})"
            texts.update(self._connection.execute(query, group))
        return [texts.setdefault(number, "") for number in ids]


def write_windows(connection: sqlite3.Connection, windows: dict[int, np.ndarray]) -> None:
    """Write those windows that have examples; within the caller's transaction."""
    wanted = {number for (number,) in connection.execute("SELECT DISTINCT window FROM examples")}
    connection.executemany(
        "INSERT OR IGNORE INTO windows VALUES (?, ?)",
        ((number, pack_tokens(ids)) for number, ids in windows.items() if number in wanted),
    )


def drop_unused_windows(connection: sqlite3.Connection) -> None:
    """Delete windows that have no example any more; within the caller's transaction."""
    connection.execute("DELETE FROM windows WHERE id NOT IN (SELECT window FROM examples)")


def draw_windows(connection: sqlite3.Connection, count: int, seed: str) -> list[list[int]]:
    """Token ids of at most `count` different windows; the same ones for the same seed."""
    (last,) = connection.execute("SELECT max(id) FROM windows").fetchone()
    windows: dict[int, bytes] = {}
    random = Random(seed)
    for _ in range(DRAWS * count):
        if last is None or len(windows) == count:
            break
        row = connection.execute(
            "SELECT id, tokens FROM windows WHERE id >= ? ORDER BY id LIMIT 1", (random.randint(0, last),)
        ).fetchone()
        windows.setdefault(*row)
    return [unpack_tokens(blob).tolist() for blob in windows.values()]


def write_token_texts(connection: sqlite3.Connection, used: set[int], text_of: Callable[[int], str]) -> None:
    """Write the text of every token that is used; within the caller's transaction."""
    written = {number for (number,) in connection.execute("SELECT id FROM tokens")}
    rows = ((number, text_of(number)) for number in sorted(used - written))
    connection.executemany("INSERT INTO tokens VALUES (?, ?)", rows)


def token_ids_used(connection: sqlite3.Connection) -> set[int]:
    """All token ids in windows and in the features' tokens."""
    used: set[int] = set()
    for (blob,) in connection.execute("SELECT tokens FROM windows"):
        used.update(np.frombuffer(blob, "<i4").tolist())
    columns = ("top_outputs", "bottom_outputs", *PEAK_TOKENS)
    for row in connection.execute(f"SELECT {', '.join(columns)} FROM features"):
        for name, blob in zip(columns, row, strict=True):
            count = len(blob or b"") // (12 if name.startswith("frequent") else 8)
            used.update(np.frombuffer(blob or b"", "<i4", count).tolist())
    return used
