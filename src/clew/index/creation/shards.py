"""From the parts that several workers made to the index that one would have made."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from clew.errors import ClewError
from clew.index.creation.checkpoints import drop_unused_windows, read_tally, write_tally
from clew.index.creation.finishing import make_searchable
from clew.index.storage.metadata import About, read_about, write_about
from clew.index.storage.schema import changing, connect
from clew.index.storage.search import build_label_search

SAME = {
    "model": "model",
    "dictionary": "dictionary",
    "widths": "number of features",
    "tokenizer": "tokenizer",
    "window": "length of windows",
    "sink": "sink",
    "wanted": "number of tokens",
    "batch": "windows at once",
    "batches": "amount of text",
    "digest": "texts",
}
"""Facts that all shards of one pass share, in words."""

OnProgress = Callable[[str, int, int], None]


def merge_shards(
    out: Path,
    shards: Sequence[Path],
    on_progress: OnProgress = lambda phase, done, total: None,
) -> About:
    """Join all shards of one pass into a new index: the same counts and examples that one worker finds.

    Raises `ClewError` where `out` is there already, or the shards are not all there, not all complete, or
    not of one pass.
    """
    if out.exists():
        raise ClewError(f"{out} is there already; name another file.")
    with ExitStack() as opened:
        parts = [opened.enter_context(closing(connect(path))) for path in shards]
        abouts = [read_about(part, path) for part, path in zip(parts, shards, strict=True)]
        about = _joined(abouts, shards)
        unfinished = out.with_name(f".{out.name}.part")
        unfinished.unlink(missing_ok=True)
        try:
            with closing(connect(unfinished, create=True)) as connection, changing(connection):
                _copy(connection, parts)
                for layer in range(about.n_layers):
                    if about.widths[layer]:
                        _merge_layer(connection, parts, abouts, about, layer)
                    on_progress("merging", layer + 1, about.n_layers)
                drop_unused_windows(connection)
                make_searchable(connection)
                write_about(connection, about)
            unfinished.replace(out)
        except (sqlite3.Error, OSError) as error:
            raise ClewError(f"{out} cannot be written ({error}); free some space.") from error
        finally:
            unfinished.unlink(missing_ok=True)
    return about


def _joined(abouts: Sequence[About], shards: Sequence[Path]) -> About:
    """The facts of the whole; raises `ClewError` where it would not be one."""
    first = abouts[0]
    workers = first.shard[1]
    for about, path in zip(abouts, shards, strict=True):
        if about.partial:
            raise ClewError(f"{path} holds some of the features only; merge takes the parts of one pass.")
        if not about.complete:
            raise ClewError(f"{path} is unfinished; go on with it (clew index --resume) before merging.")
        for name, words in SAME.items():
            if getattr(about, name) != getattr(first, name):
                raise ClewError(f"{path} and {shards[0]} are not of one pass: they differ in the {words}.")
    numbers = sorted(about.shard[0] for about in abouts)
    if any(about.shard[1] != workers for about in abouts) or numbers != list(range(1, workers + 1)):
        given = ", ".join(f"{about.shard[0]}/{about.shard[1]}" for about in abouts)
        raise ClewError(f"The shards are not 1 to {workers} of {workers}, each once, but {given}.")
    skipped = max((about.skipped for about in abouts), key=lambda reasons: sum(reasons.values()))
    return replace(
        first,
        shard=(1, 1),
        positions=sum(about.positions for about in abouts),
        skipped=skipped,
    )


def _merge_layer(
    connection: sqlite3.Connection,
    parts: Sequence[sqlite3.Connection],
    abouts: Sequence[About],
    about: About,
    layer: int,
) -> None:
    tallies = [read_tally(part, each, layer) for part, each in zip(parts, abouts, strict=True)]
    whole = tallies[0]
    for tally in tallies[1:]:
        whole = whole.joined(tally)
    whole.changed.fill_(True)
    write_tally(connection, whole, layer, about.positions)
    first = about.offsets[layer]
    for part in parts:  # each described some of the layers
        rows = part.execute(
            "SELECT top_outputs, bottom_outputs, id FROM features "
            "WHERE id BETWEEN ? AND ? AND top_outputs NOTNULL",
            (first, first + about.widths[layer] - 1),
        )
        connection.executemany("UPDATE features SET top_outputs = ?, bottom_outputs = ? WHERE id = ?", rows)


def _copy(connection: sqlite3.Connection, parts: Sequence[sqlite3.Connection]) -> None:
    """What needs no adding up: windows, spellings, labels."""
    for part in parts:
        for table, width in (("windows", 2), ("tokens", 2)):
            marks = ", ".join("?" * width)
            rows = part.execute(f"SELECT * FROM {table}")
            connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)
        columns = "feature, text, source, author, confidence, created, detail"
        rows = part.execute(f"SELECT {columns} FROM labels ORDER BY id")
        connection.executemany(f"INSERT INTO labels ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    build_label_search(connection)
