"""A new index in place of an old one, with what people and models called features."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from clew.errors import ClewError
from clew.examples.about import read_about
from clew.examples.index import RANK
from clew.examples.schema import changing, connect
from clew.examples.search import relabel

COLUMNS = "text, source, author, confidence, created, detail"


def being_made(out: Path) -> Path:
    """Where the index lies that is to replace another, until it is complete."""
    return out.with_name(f"{out.stem}.new{out.suffix}")


def replace_index(old: Path, new: Path) -> int:
    """Put a complete index where an old one lies; returns how many labels went over, history included.

    Labels that were made by rule stay behind: they are about the old one's texts. Raises `ClewError` where
    one of them is of another dictionary, or cannot be read; then both stay.
    """
    try:
        with closing(connect(old)) as before, closing(connect(new, writable=True)) as connection:
            about = read_about(connection, new)
            if read_about(before, old).widths != about.widths:
                raise ClewError(
                    f"{old} is of another dictionary, so its labels cannot go over; {new} stays where it is."
                )
            rows = before.execute(
                f"SELECT feature, {COLUMNS} FROM labels WHERE source != 'tokens' ORDER BY id"
            ).fetchall()
            with changing(connection):
                connection.executemany(
                    f"INSERT INTO labels (feature, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
                )
                best = connection.execute(
                    "SELECT feature, text FROM labels "
                    "WHERE id IN (SELECT max(id) FROM labels GROUP BY feature, source) AND text != '' "
                    f"ORDER BY {RANK} DESC"
                )
                for number, text in dict(best.fetchall()).items():
                    relabel(connection, number, text)
        new.replace(old)
    except (OSError, sqlite3.Error) as error:
        raise ClewError(f"{old} cannot be replaced ({error}); the new index is {new}.") from error
    return len(rows)
