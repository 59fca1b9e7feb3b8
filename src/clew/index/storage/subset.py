"""A smaller index: some of the features of one, with some of their examples."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from clew.errors import ClewError
from clew.index.creation.checkpoints import token_ids_used
from clew.index.creation.finishing import make_searchable
from clew.index.storage.metadata import read_about, write_about
from clew.index.storage.schema import changing, connect
from clew.index.storage.search import build_label_search

COPIED = (
    "INSERT INTO features SELECT * FROM whole.features WHERE id IN (SELECT id FROM kept)",
    "INSERT INTO examples SELECT * FROM whole.examples WHERE feature IN (SELECT id FROM kept) "
    "AND rank < coalesce(:examples, rank + 1)",
    "INSERT INTO windows SELECT * FROM whole.windows WHERE id IN (SELECT window FROM examples)",
    "INSERT INTO labels SELECT * FROM whole.labels WHERE feature IN (SELECT id FROM kept)",
)
"""In this order."""


def cut_index(
    source: str | Path, out: str | Path, features: Iterable[tuple[int, int]], examples: int | None = None
) -> int:
    """Write an index of some features (layer, index) alone; returns how many of them the source knows.

    Of the `examples` of each kind at most so many are kept, the strongest (None: all). Raises `ClewError`
    where `out` is there already, and where the source is unfinished or has none of the features.
    """
    source, out = Path(source).expanduser(), Path(out).expanduser()
    if out.exists():
        raise ClewError(f"{out} is there already; name another file.")
    if not out.parent.is_dir():
        raise ClewError(f"{out} cannot be written: there is no folder {out.parent}; make it first.")
    with closing(connect(source)) as whole:
        about = read_about(whole, source)
    if not about.complete:
        raise ClewError(f"{source} is unfinished; finish it with clew index --resume.")
    ids = {about.feature_id(*place) for place in features} - {None}
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        with closing(connect(partial, create=True)) as connection:
            connection.execute("ATTACH DATABASE ? AS whole", (f"{source.resolve().as_uri()}?mode=ro",))
            connection.execute("CREATE TEMP TABLE kept (id INTEGER PRIMARY KEY)")
            connection.executemany("INSERT INTO kept VALUES (?)", [(number,) for number in ids])
            with changing(connection):
                for statement in COPIED:
                    connection.execute(statement, {"examples": examples} if ":" in statement else {})
                used = [(token,) for token in token_ids_used(connection)]
                connection.executemany("INSERT INTO tokens SELECT * FROM whole.tokens WHERE id = ?", used)
                make_searchable(connection)
                build_label_search(connection)
                write_about(connection, replace(about, partial=True))
                (count,) = connection.execute("SELECT count(*) FROM features").fetchone()
            if not count:
                raise ClewError(f"{source} has none of these features: they are of another dictionary.")
        partial.replace(out)
    except (OSError, sqlite3.Error) as error:
        raise ClewError(f"{out} cannot be written ({error}); make room, or choose another place.") from error
    finally:
        partial.unlink(missing_ok=True)
    return count
