"""A smaller index, with some of the features of another one and some of their examples."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from clew.errors import ClewError
from clew.feature import Feature
from clew.index.storage.labels import build_label_search
from clew.index.storage.metadata import read_metadata, write_metadata
from clew.index.storage.schema import connect, new_database
from clew.index.storage.search import build_text_search
from clew.index.storage.texts import token_ids_used
from clew.sqlite import transaction

COPIES = (
    "INSERT INTO features SELECT * FROM whole.features WHERE id IN (SELECT id FROM chosen)",
    "INSERT INTO examples SELECT * FROM whole.examples WHERE feature IN (SELECT id FROM chosen) "
    "AND rank < coalesce(:examples, rank + 1)",
    "INSERT INTO windows SELECT * FROM whole.windows WHERE id IN (SELECT window FROM examples)",
    "INSERT INTO labels SELECT * FROM whole.labels WHERE feature IN (SELECT id FROM chosen)",
)
"""The rows to copy, in this order."""


def cut_index(
    source: str | Path, out: str | Path, features: Iterable[Feature], examples: int | None = None
) -> int:
    """Write an index of some features alone; returns how many of them the source has.

    At most `examples` of each kind are copied, the strongest (None: all). Raises `ClewError` where `out`
    exists already, and where the source is unfinished or has none of the features.
    """
    source, out = Path(source).expanduser(), Path(out).expanduser()
    with closing(connect(source)) as whole:
        metadata = read_metadata(whole, source)
    if not metadata.complete:
        raise ClewError(f"{source} is unfinished; finish it with clew index --resume.")
    ids = {metadata.feature_id(feature) for feature in features} - {None}
    with new_database(out) as connection:
        connection.execute("ATTACH DATABASE ? AS whole", (f"{source.resolve().as_uri()}?mode=ro",))
        connection.execute("CREATE TEMP TABLE chosen (id INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO chosen VALUES (?)", [(number,) for number in ids])
        with transaction(connection):
            for statement in COPIES:
                connection.execute(statement, {"examples": examples} if ":" in statement else {})
            used = [(token,) for token in token_ids_used(connection)]
            connection.executemany("INSERT INTO tokens SELECT * FROM whole.tokens WHERE id = ?", used)
            build_text_search(connection)
            build_label_search(connection)
            write_metadata(connection, replace(metadata, partial=True))
            (count,) = connection.execute("SELECT count(*) FROM features").fetchone()
        if not count:
            raise ClewError(f"{source} has none of these features; they are of another dictionary.")
    return count
