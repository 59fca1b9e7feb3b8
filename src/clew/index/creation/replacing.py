"""A new index in place of an old one, with what people and models called features."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from clew.errors import ClewError
from clew.index.storage.metadata import About, read_about
from clew.index.storage.schema import changing, connect
from clew.index.storage.search import build_label_search

COLUMNS = "text, source, author, confidence, created, detail"


def being_made(out: Path) -> Path:
    """Where the index lies that is to replace another, until it is complete."""
    return out.with_name(f"{out.stem}.new{out.suffix}")


def check_replaceable(old: About, path: Path, model: str, dictionary: str) -> None:
    """Raise `ClewError` where an index of these features would take the place of one of others."""
    if (old.model, old.dictionary) != (model, dictionary):
        raise ClewError(
            f"{path} is of {old.model or 'an unknown model'} with {old.dictionary or 'unknown features'}, so "
            "its labels cannot go over; name another file with --out."
        )


def replace_index(old: Path, new: Path) -> int:
    """Put a complete index where an old one lies; returns how many labels went over, history included.

    Labels that were made by rule stay behind: they are about the old one's texts. Raises `ClewError` where
    a label is of a feature that the new one does not have, or one of them cannot be read; then both stay.
    """
    try:
        with closing(connect(old)) as before, closing(connect(new, writable=True)) as connection:
            was, about = read_about(before, old), read_about(connection, new)
            rows = []
            for number, *said in before.execute(
                f"SELECT feature, {COLUMNS} FROM labels WHERE source != 'tokens' ORDER BY id"
            ):
                layer, feature = was.place_of(number)
                if (here := about.feature_id(layer, feature)) is None:
                    raise ClewError(
                        f"{old} has a label of L{layer}/{feature}, which the new index {new} does not have; "
                        "both stay where they are."
                    )
                rows.append((here, *said))
            with changing(connection):
                connection.executemany(
                    f"INSERT INTO labels (feature, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
                )
                build_label_search(connection)
        new.replace(old)
    except (OSError, sqlite3.Error) as error:
        raise ClewError(f"{old} cannot be replaced ({error}); the new index is {new}.") from error
    return len(rows)
