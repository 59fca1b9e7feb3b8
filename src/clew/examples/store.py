"""Tallies as rows of an index, and back: what is counted so far, and nothing besides."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

from clew.examples.about import About
from clew.examples.best import Best
from clew.examples.blobs import (
    pack_drawn,
    pack_histogram,
    pack_scored,
    pack_tokens,
    unpack_drawn,
    unpack_histogram,
    unpack_scored,
)
from clew.examples.histogram import ZERO, bins_of
from clew.examples.record import BOTTOM, TOP
from clew.examples.tally import GRID, LEVEL_SALT, LEVELS, SPAN, Tally, chance_of

Row = tuple[Any, ...]
COLUMNS = (
    "feature, CASE WHEN kind > 0 THEN kind - 1 ELSE rank END, window, position, first, peak, context, "
    "activations"
)
WITHIN = "feature BETWEEN ? AND ?"


def write_tally(connection: sqlite3.Connection, tally: Tally, layer: int, positions: int) -> None:
    """The rows of one layer; examples only where they changed. Within the caller's transaction."""
    connection.executemany(
        """INSERT INTO features (id, layer, feature, frequency, mean, total, minimum, maximum, histogram,
        frequent_tokens, strongest_tokens) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET frequency = excluded.frequency, mean = excluded.mean,
        total = excluded.total, minimum = excluded.minimum, maximum = excluded.maximum,
        histogram = excluded.histogram, frequent_tokens = excluded.frequent_tokens,
        strongest_tokens = excluded.strongest_tokens""",
        _feature_rows(tally, layer, positions),
    )
    changed = torch.nonzero(tally.changed).squeeze(1).cpu().numpy()
    ids = (changed + tally.first_id).tolist()
    connection.executemany("DELETE FROM examples WHERE feature = ?", ((number,) for number in ids))
    connection.executemany(
        "INSERT INTO examples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _example_rows(tally, changed)
    )


def _feature_rows(tally: Tally, layer: int, positions: int) -> Iterator[Row]:
    counts, total = tally.counts.cpu().numpy(), tally.total.cpu().numpy()
    minimum, maximum = tally.minimum.cpu().numpy(), tally.maximum.cpu().numpy()
    strongest, drawn = _token_columns(tally.strongest), _token_columns(tally.drawn)
    seen = positions > 0
    for feature in range(len(total)):
        tokens, values = (column[feature] for column in strongest)
        ids, keys = (column[feature] for column in drawn)
        yield (
            tally.first_id + feature,
            layer,
            feature,
            1 - int(counts[feature, ZERO]) / positions if seen else 0.0,
            int(total[feature]) / GRID / positions if seen else None,
            int(total[feature]),
            float(minimum[feature]) if seen else None,
            float(maximum[feature]) if seen else None,
            pack_histogram(counts[feature]),
            pack_drawn(ids[keys > 0], keys[keys > 0]),
            pack_scored(tokens[values > 0], values[values > 0]),
        )


def _token_columns(best: Best) -> tuple[np.ndarray, np.ndarray]:
    best = best.ordered()
    return best.columns["token"].cpu().numpy(), best.value.cpu().numpy()


def _example_rows(tally: Tally, changed: np.ndarray) -> Iterator[Row]:
    """Of levels only those that are near enough to the strongest."""
    for number, rank, *rest in _entries(tally.top, changed, tally.first_id):
        yield (number, TOP, rank, *rest)
    if tally.bottom is not None:
        for number, rank, *rest in _entries(tally.bottom, changed, tally.first_id):
            yield (number, BOTTOM, rank, *rest)
    level = tally.levels.ordered().value.floor().cpu().numpy()
    near = level > level[:, :1] - LEVELS
    for number, rank, *rest in _entries(tally.levels, changed, tally.first_id):
        if near[number - tally.first_id, rank]:
            yield (number, rank + 1, 0, *rest)


def _entries(best: Best, changed: np.ndarray, first_id: int) -> Iterator[list[Any]]:
    """Feature id, rank, window, position, first, peak, context and activations of all that is there."""
    best = best.ordered()
    row, rank = np.nonzero(best.value.cpu().numpy()[changed] > 0)
    of = {name: column.cpu().numpy()[changed[row], rank] for name, column in best.columns.items()}
    packed = np.concatenate(
        [of["scale"].astype("<f4")[:, None].view(np.uint8), of["steps"].view(np.uint8)], axis=1
    ).tobytes()
    starts = np.arange(len(row)) * (SPAN + 4)
    columns = (
        changed[row] + first_id,
        rank,
        best.window.cpu().numpy()[changed[row], rank],
        *(of[name] for name in ("position", "first", "peak", "context")),
        starts,
        starts + 4 + of["count"],
    )
    for *entry, start, end in zip(*(column.tolist() for column in columns), strict=True):
        yield [*entry, packed[start:end]]


def read_tally(connection: sqlite3.Connection, about: About, layer: int) -> Tally:
    """What `write_tally` wrote, or an empty tally where it wrote nothing."""
    first_id, n_features = about.offsets[layer], about.widths[layer]
    tally = Tally.empty(n_features, first_id, two_sided=about.two_sided)
    span = first_id, first_id + n_features - 1
    rows = connection.execute(
        "SELECT feature, total, minimum, maximum, histogram, strongest_tokens, frequent_tokens "
        "FROM features WHERE id BETWEEN ? AND ?",
        span,
    )
    for feature, total, minimum, maximum, histogram, strongest, drawn in rows:
        tally.total[feature] = total
        if minimum is not None:
            tally.minimum[feature], tally.maximum[feature] = minimum, maximum
        tally.counts[feature] = torch.from_numpy(unpack_histogram(histogram))
        _fill_tokens(tally.strongest, feature, *unpack_scored(strongest))
        _fill_tokens(tally.drawn, feature, *unpack_drawn(drawn))
    tally.strongest.key = torch.where(tally.strongest.value > 0, tally.strongest.columns["token"].long(), -1)
    tally.drawn.key = torch.where(tally.drawn.value > 0, tally.drawn.value.view(torch.int64), -1)
    for kind, best in (("= 0", tally.top), ("= -1", tally.bottom), ("> 0", tally.levels)):
        if best is not None:
            found = connection.execute(f"SELECT {COLUMNS} FROM examples WHERE kind {kind} AND {WITHIN}", span)
            _fill_examples(best, found.fetchall(), first_id)
    for best, sign in ((tally.top, 1), (tally.bottom, -1)):
        if best is not None:
            best.value = best.columns["peak"].double() * sign
            best.key = torch.where(best.value > 0, best.columns["context"], -1)
    _restore_levels(tally)
    tally.changed.fill_(False)
    return tally


def _fill_tokens(best: Best, feature: int, ids: np.ndarray, values: np.ndarray) -> None:
    best.columns["token"][feature, : len(ids)] = torch.from_numpy(ids)
    best.value[feature, : len(ids)] = torch.from_numpy(values.astype(np.float64))


def _fill_examples(best: Best, rows: list[Row], first_id: int) -> None:
    if not rows:
        return
    feature, rank, window, *facts, blobs = zip(*rows, strict=True)
    at = torch.tensor(feature) - first_id, torch.tensor(rank)
    best.window[at] = torch.tensor(window)
    for name, values in zip(("position", "first", "peak", "context"), facts, strict=True):
        best.columns[name][at] = torch.tensor(values, dtype=best.columns[name].dtype)
    packed = np.frombuffer(b"".join(blob.ljust(SPAN + 4, b"\0") for blob in blobs), np.uint8)
    packed = packed.reshape(-1, SPAN + 4)
    best.columns["count"][at] = torch.tensor([len(blob) - 4 for blob in blobs], dtype=torch.int32)
    best.columns["scale"][at] = torch.from_numpy(packed[:, :4].copy().view("<f4")[:, 0].astype(np.float32))
    best.columns["steps"][at] = torch.from_numpy(packed[:, 4:].view(np.int8).copy())


def _restore_levels(tally: Tally) -> None:
    """Values and keys follow from peak, window and feature."""
    best = tally.levels
    filled = best.window >= 0
    level = (bins_of(best.columns["peak"]) - ZERO).long()
    chance = chance_of(best.window, tally.ids[:, None], LEVEL_SALT)
    best.value = torch.where(filled, level + chance, 0.0)
    best.key = torch.where(filled, level % LEVELS, -1)


def write_windows(connection: sqlite3.Connection, windows: dict[int, np.ndarray]) -> None:
    """Those of some windows to which examples point. Within the caller's transaction."""
    wanted = {number for (number,) in connection.execute("SELECT DISTINCT window FROM examples")}
    connection.executemany(
        "INSERT OR IGNORE INTO windows VALUES (?, ?)",
        ((number, pack_tokens(ids)) for number, ids in windows.items() if number in wanted),
    )


def drop_unused_windows(connection: sqlite3.Connection) -> None:
    """Windows that no example points to any more. Within the caller's transaction."""
    connection.execute("DELETE FROM windows WHERE id NOT IN (SELECT window FROM examples)")


def write_outputs(
    connection: sqlite3.Connection, ids: Iterable[int], tokens: np.ndarray, logits: np.ndarray
) -> None:
    """The highest and then the lowest output tokens of some features. Within the caller's transaction."""
    half = tokens.shape[1] // 2
    connection.executemany(
        "UPDATE features SET top_outputs = ?, bottom_outputs = ? WHERE id = ?",
        (
            (pack_scored(row[:half], value[:half]), pack_scored(row[half:], value[half:]), number)
            for number, row, value in zip(ids, tokens, logits, strict=True)
        ),
    )


def token_ids_used(connection: sqlite3.Connection) -> set[int]:
    """All token ids that need a spelling."""
    used: set[int] = set()
    for (blob,) in connection.execute("SELECT tokens FROM windows"):
        used.update(np.frombuffer(blob, "<i4").tolist())
    columns = "top_outputs", "bottom_outputs", "strongest_tokens", "frequent_tokens"
    for row in connection.execute(f"SELECT {', '.join(columns)} FROM features"):
        for name, blob in zip(columns, row, strict=True):
            count = len(blob or b"") // (12 if name == "frequent_tokens" else 8)
            used.update(np.frombuffer(blob or b"", "<i4", count).tolist())
    return used
