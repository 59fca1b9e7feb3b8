"""Shards that several workers made, merged into the index that one worker would have made."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from clew.errors import ClewError
from clew.index.creation.checkpoints import read_statistics, write_statistics
from clew.index.storage.labels import LABEL_COLUMNS, build_label_search, insert_labels
from clew.index.storage.metadata import IndexMetadata, read_metadata, write_metadata
from clew.index.storage.schema import connect, new_database
from clew.index.storage.search import build_text_search
from clew.index.storage.texts import drop_unused_windows
from clew.progress import OnProgress, ignore_progress
from clew.sqlite import transaction

MUST_AGREE = {
    "model": "model",
    "dictionary": "dictionary",
    "widths": "number of features",
    "tokenizer": "tokenizer",
    "weights": "weights",
    "window": "length of windows",
    "sink": "sink",
    "wanted": "number of tokens",
    "batch": "windows at once",
    "batches": "amount of text",
    "digest": "texts",
}
"""Metadata that all shards of one pass share, with names for people."""


def merge_shards(
    out: Path, shards: Sequence[Path], on_progress: OnProgress = ignore_progress
) -> IndexMetadata:
    """Merge all shards of one pass into a new index, with the statistics that one worker would have.

    Raises `ClewError` where `out` exists already, a shard is missing or unfinished, or the shards are not of
    one pass.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(new_database(out))
        parts = [stack.enter_context(closing(connect(path))) for path in shards]
        metadata_of_parts = [read_metadata(part, path) for part, path in zip(parts, shards, strict=True)]
        metadata = _merged_metadata(metadata_of_parts, shards)
        with transaction(connection):
            _copy_rows(connection, parts)
            for layer in range(metadata.n_layers):
                if metadata.widths[layer]:
                    _merge_layer(connection, parts, metadata_of_parts, metadata, layer)
                on_progress("merging", layer + 1, metadata.n_layers)
            drop_unused_windows(connection)
            build_text_search(connection)
            write_metadata(connection, metadata)
    return metadata


def _merged_metadata(metadata_of_parts: Sequence[IndexMetadata], shards: Sequence[Path]) -> IndexMetadata:
    """The metadata of the whole index; raises `ClewError` where the shards do not make one."""
    first = metadata_of_parts[0]
    workers = first.shard[1]
    for metadata, path in zip(metadata_of_parts, shards, strict=True):
        if metadata.partial:
            raise ClewError(f"{path} holds only some of the features; name the shards of one pass.")
        if not metadata.complete:
            raise ClewError(f"{path} is unfinished; finish it with clew index --resume before merging.")
        for name, words in MUST_AGREE.items():
            if getattr(metadata, name) != getattr(first, name):
                raise ClewError(f"{path} and {shards[0]} are not of one pass: they differ in the {words}.")
    numbers = sorted(metadata.shard[0] for metadata in metadata_of_parts)
    same_workers = all(metadata.shard[1] == workers for metadata in metadata_of_parts)
    if not same_workers or numbers != list(range(1, workers + 1)):
        given = ", ".join(f"{metadata.shard[0]}/{metadata.shard[1]}" for metadata in metadata_of_parts)
        raise ClewError(f"Expected each of the shards 1 to {workers} of {workers} once, not {given}.")
    skipped = max((each.skipped for each in metadata_of_parts), key=lambda reasons: sum(reasons.values()))
    return replace(
        first,
        shard=(1, 1),
        positions=sum(metadata.positions for metadata in metadata_of_parts),
        skipped=skipped,
    )


def _merge_layer(
    connection: sqlite3.Connection,
    parts: Sequence[sqlite3.Connection],
    metadata_of_parts: Sequence[IndexMetadata],
    metadata: IndexMetadata,
    layer: int,
) -> None:
    whole, *others = (
        read_statistics(part, each, layer) for part, each in zip(parts, metadata_of_parts, strict=True)
    )
    for statistics in others:
        whole = whole.joined(statistics)
    whole.changed.fill_(True)
    write_statistics(connection, whole, layer, metadata.positions)
    first = metadata.offsets[layer]
    for part in parts:  # each has the output tokens of some layers
        rows = part.execute(
            "SELECT top_outputs, bottom_outputs, id FROM features "
            "WHERE id BETWEEN ? AND ? AND top_outputs NOTNULL",
            (first, first + metadata.widths[layer] - 1),
        )
        connection.executemany("UPDATE features SET top_outputs = ?, bottom_outputs = ? WHERE id = ?", rows)


def _copy_rows(connection: sqlite3.Connection, parts: Sequence[sqlite3.Connection]) -> None:
    """Copy windows, spellings and labels, which need no adding up."""
    for part in parts:
        for table in ("windows", "tokens"):
            rows = part.execute(f"SELECT * FROM {table}")
            connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", rows)
        insert_labels(connection, part.execute(f"SELECT feature, {LABEL_COLUMNS} FROM labels ORDER BY id"))
    build_label_search(connection)
