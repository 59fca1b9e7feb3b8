"""Parts of an index for others: details of features that other tools read, and a smaller index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from clew.errors import ClewError
from clew.feature import Feature
from clew.files import named_path
from clew.index.exchange.feature_file import FeatureFile, details_from_json
from clew.index.exchange.folder import write_details
from clew.index.storage.index import Index
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


def export_index(
    index: Index,
    folder: str | Path,
    form: str,
    on_progress: Callable[[int, int], None] = lambda *_: None,
    *,
    features: Iterable[Feature] | None = None,
    examples: int | None = None,
) -> int:
    """Write features with their labels, by default all that were ever active; returns how many.

    `form` is `json` or `packed`. `on_progress` gets the features done and their number. At most `examples` of
    each kind are written. Features that the index does not have are left out. Raises `ClewError` as
    `write_details` does.
    """
    return write_details(details_of(index, on_progress, features=features, examples=examples), folder, form)


def details_of(
    index: Index,
    on_progress: Callable[[int, int], None] = lambda *_: None,
    *,
    features: Iterable[Feature] | None = None,
    examples: int | None = None,
) -> Iterator[FeatureFile]:
    """The details of features in order; by default of all that were ever active."""
    metadata = index.metadata
    wanted = None if features is None else sorted(set(features))
    total = metadata.n_features if wanted is None else len(wanted)
    every = (Feature(layer, at) for layer, width in enumerate(metadata.widths) for at in range(width))
    for done, feature in enumerate(every if wanted is None else wanted, start=1):
        record = index.feature(feature)
        if record is not None and (wanted is not None or not record.never_seen):
            groups = tuple(replace(group, examples=group.examples[:examples]) for group in record.groups)
            data = replace(record, groups=groups if examples != 0 else ()).as_json()
            model = {"model": metadata.model} if metadata.model else {}
            yield replace(details_from_json(data | model, feature), transcoder=metadata.dictionary)
        on_progress(done, total)


def cut_index(
    source: str | Path, out: str | Path, features: Iterable[Feature], examples: int | None = None
) -> int:
    """Write an index of some features alone; returns how many of them the source has.

    At most `examples` of each kind are copied, the strongest (None: all). Raises `ClewError` where `out`
    exists already, and where the source is unfinished or has none of the features.
    """
    source, out = named_path(source), named_path(out)
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
