"""Tallies as rows of an index, and back: what is counted so far, and nothing besides."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

from clew.index.creation.side import LEVEL_SALT, LEVELS, SPAN, Side, chance_of
from clew.index.creation.statistics import GRID, Tally
from clew.index.creation.top_k import Best
from clew.index.storage.blobs import (
    pack_drawn,
    pack_histogram,
    pack_scored,
    pack_tokens,
    unpack_drawn,
    unpack_histogram,
    unpack_scored,
)
from clew.index.storage.histogram import ZERO, bins_of
from clew.index.storage.metadata import About
from clew.index.storage.record import BOTTOM, TOP

Row = tuple[Any, ...]
COLUMNS = (
    "feature, CASE WHEN kind > 0 THEN kind - 1 WHEN kind < -1 THEN -kind - 2 ELSE rank END, "
    "window, position, first, peak, context, activations"
)
WITHIN = "feature BETWEEN ? AND ?"


def write_tally(connection: sqlite3.Connection, tally: Tally, layer: int, positions: int) -> None:
    """The rows of one layer; examples only where they changed. Within the caller's transaction."""
    connection.executemany(
        """INSERT INTO features (id, layer, feature, frequency, mean, total, minimum, maximum, histogram,
        frequent_tokens, strongest_tokens, frequent_low, strongest_low)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET frequency = excluded.frequency, mean = excluded.mean,
        total = excluded.total, minimum = excluded.minimum, maximum = excluded.maximum,
        histogram = excluded.histogram, frequent_tokens = excluded.frequent_tokens,
        strongest_tokens = excluded.strongest_tokens, frequent_low = excluded.frequent_low,
        strongest_low = excluded.strongest_low""",
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
    tokens = [(_token_columns(side.strongest), _token_columns(side.drawn), side.sign) for side in tally.sides]
    seen = positions > 0
    for feature in range(len(total)):
        packed = [blob for columns in tokens for blob in _packed_tokens(feature, *columns)]
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
            *(packed if tally.low else [*packed, None, None]),
        )


Columns = tuple[np.ndarray, np.ndarray]
"""Token ids and values, `[feature, entry]`; 0 where there is none."""


def _packed_tokens(feature: int, strongest: Columns, drawn: Columns, sign: int) -> Iterator[bytes]:
    """The frequent tokens of one side of a feature, then the strongest, with activations as they are."""
    ids, keys = (column[feature] for column in drawn)
    yield pack_drawn(ids[keys > 0], keys[keys > 0])
    ids, values = (column[feature] for column in strongest)
    yield pack_scored(ids[values > 0], sign * values[values > 0])


def _token_columns(best: Best) -> Columns:
    best = best.ordered()
    return best.columns["token"].cpu().numpy(), best.value.cpu().numpy()


def _example_rows(tally: Tally, changed: np.ndarray) -> Iterator[Row]:
    """Of levels only those that are near enough to the strongest."""
    for side in tally.sides:
        kind = TOP if side.sign > 0 else BOTTOM
        for number, rank, *rest in _entries(side.examples, changed, tally.first_id):
            yield (number, kind, rank, *rest)
        level = side.levels.ordered().value.floor().cpu().numpy()
        near = level > level[:, :1] - LEVELS
        for number, rank, *rest in _entries(side.levels, changed, tally.first_id):
            if near[number - tally.first_id, rank]:
                yield (number, kind + side.sign * (rank + 1), 0, *rest)


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
        "SELECT feature, total, minimum, maximum, histogram, frequent_tokens, strongest_tokens, "
        "frequent_low, strongest_low FROM features WHERE id BETWEEN ? AND ?",
        span,
    )
    for feature, total, minimum, maximum, histogram, *tokens in rows:
        tally.total[feature] = total
        if minimum is not None:
            tally.minimum[feature], tally.maximum[feature] = minimum, maximum
        tally.counts[feature] = torch.from_numpy(unpack_histogram(histogram))
        for side, drawn, strongest in zip(tally.sides, tokens[::2], tokens[1::2], strict=False):
            _fill_tokens(side.drawn, feature, *unpack_drawn(drawn))
            ids, values = unpack_scored(strongest)
            _fill_tokens(side.strongest, feature, ids, side.sign * values)
    for side in tally.sides:
        _restore(connection, side, tally.ids, span)
    tally.changed.fill_(False)
    return tally


def _restore(connection: sqlite3.Connection, side: Side, ids: torch.Tensor, span: tuple[int, int]) -> None:
    """Examples and levels of one side; values and keys follow from what is stored."""
    for best in (side.strongest, side.drawn):
        keys = best.columns["token"].long() if best is side.strongest else best.value.view(torch.int64)
        best.key = torch.where(best.value > 0, keys, -1)
    kind = TOP if side.sign > 0 else BOTTOM
    beyond = "> 0" if side.sign > 0 else "< -1"
    for best, wanted in ((side.examples, f"= {kind}"), (side.levels, beyond)):
        found = connection.execute(f"SELECT {COLUMNS} FROM examples WHERE kind {wanted} AND {WITHIN}", span)
        _fill_examples(best, found.fetchall(), span[0])
    best = side.examples
    best.value = best.columns["peak"].double() * side.sign
    best.key = torch.where(best.value > 0, best.columns["context"], -1)
    _restore_levels(side, ids)


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


def _restore_levels(side: Side, ids: torch.Tensor) -> None:
    """From peak, window and feature."""
    best = side.levels
    filled = best.window >= 0
    level = (bins_of(best.columns["peak"] * side.sign) - ZERO).long()
    chance = chance_of(best.window, ids[:, None], LEVEL_SALT)
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
    columns = (
        *("top_outputs", "bottom_outputs", "strongest_tokens", "frequent_tokens"),
        *("strongest_low", "frequent_low"),
    )
    for row in connection.execute(f"SELECT {', '.join(columns)} FROM features"):
        for name, blob in zip(columns, row, strict=True):
            count = len(blob or b"") // (12 if name.startswith("frequent") else 8)
            used.update(np.frombuffer(blob or b"", "<i4", count).tolist())
    return used
