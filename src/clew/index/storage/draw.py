"""What labelling takes from an index: its most active features, and texts drawn from all that it holds."""

from __future__ import annotations

import sqlite3
from random import Random

from clew.index.storage.blobs import unpack_tokens

DRAWS = 4
"""Tries for each text wanted: some are drawn twice."""


def most_frequent(connection: sqlite3.Connection, count: int) -> list[tuple[int, int]]:
    """Layer and index of the features that are active most often, then most strongly; none never seen."""
    return connection.execute(
        "SELECT layer, feature FROM features WHERE frequency > 0 "
        "ORDER BY frequency DESC, max(abs(minimum), abs(maximum)) DESC, id LIMIT ?",
        (count,),
    ).fetchall()


def draw_windows(connection: sqlite3.Connection, count: int, seed: str) -> list[list[int]]:
    """Token ids of at most so many different windows; the same ones for the same seed."""
    (last,) = connection.execute("SELECT max(id) FROM windows").fetchone()
    found: dict[int, bytes] = {}
    random = Random(seed)
    for _ in range(DRAWS * count):
        if last is None or len(found) == count:
            break
        row = connection.execute(
            "SELECT id, tokens FROM windows WHERE id >= ? ORDER BY id LIMIT 1", (random.randint(0, last),)
        ).fetchone()
        found.setdefault(*row)
    return [unpack_tokens(blob).tolist() for blob in found.values()]
