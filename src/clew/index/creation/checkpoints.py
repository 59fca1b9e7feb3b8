"""Statistics as rows of an index and back: all that was counted so far, and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from clew.index.creation.statistics import (
    GRID,
    LEVEL_SALT,
    LEVELS,
    SPAN,
    LayerStatistics,
    SideStatistics,
    hashed_share,
)
from clew.index.creation.top_k import TopEntries
from clew.index.storage.blobs import (
    pack_histogram,
    pack_sample,
    pack_scored,
    unpack_histogram,
    unpack_sample,
    unpack_scored,
)
from clew.index.storage.histogram import ZERO, bins_of
from clew.index.storage.metadata import IndexMetadata
from clew.index.storage.record import BOTTOM, TOP

Row = tuple[Any, ...]
COLUMNS = (
    "feature, CASE WHEN kind > 0 THEN kind - 1 WHEN kind < -1 THEN -kind - 2 ELSE rank END, "
    "window, position, first, peak, context, activations"
)
WITHIN = "feature BETWEEN ? AND ?"


def write_statistics(
    connection: sqlite3.Connection, statistics: LayerStatistics, layer: int, positions: int
) -> None:
    """Write the rows of one layer, and examples where they changed; within the caller's transaction."""
    connection.executemany(
        """INSERT INTO features (id, layer, feature, frequency, mean, total, minimum, maximum, histogram,
        frequent_tokens, strongest_tokens, frequent_low, strongest_low)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET frequency = excluded.frequency, mean = excluded.mean,
        total = excluded.total, minimum = excluded.minimum, maximum = excluded.maximum,
        histogram = excluded.histogram, frequent_tokens = excluded.frequent_tokens,
        strongest_tokens = excluded.strongest_tokens, frequent_low = excluded.frequent_low,
        strongest_low = excluded.strongest_low""",
        _feature_rows(statistics, layer, positions),
    )
    changed = torch.nonzero(statistics.changed).squeeze(1).cpu().numpy()
    ids = (changed + statistics.first_id).tolist()
    connection.executemany("DELETE FROM examples WHERE feature = ?", ((number,) for number in ids))
    connection.executemany(
        "INSERT INTO examples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _example_rows(statistics, changed)
    )


def _feature_rows(statistics: LayerStatistics, layer: int, positions: int) -> Iterator[Row]:
    counts, total = statistics.counts.cpu().numpy(), statistics.total.cpu().numpy()
    minimum, maximum = statistics.minimum.cpu().numpy(), statistics.maximum.cpu().numpy()
    tokens = [
        (_token_columns(side.strongest), _token_columns(side.sample), side.sign) for side in statistics.sides
    ]
    counted = positions > 0
    for feature in range(len(total)):
        packed = [blob for columns in tokens for blob in _packed_tokens(feature, *columns)]
        yield (
            statistics.first_id + feature,
            layer,
            feature,
            1 - int(counts[feature, ZERO]) / positions if counted else 0.0,
            int(total[feature]) / GRID / positions if counted else None,
            int(total[feature]),
            float(minimum[feature]) if counted else None,
            float(maximum[feature]) if counted else None,
            pack_histogram(counts[feature]),
            *(packed if statistics.low else [*packed, None, None]),
        )


TokenColumns = tuple[np.ndarray, np.ndarray]
"""Token ids and values, `[feature, entry]`; value 0 for an empty entry."""


def _packed_tokens(feature: int, strongest: TokenColumns, sample: TokenColumns, sign: int) -> Iterator[bytes]:
    """The frequent tokens of one side of a feature, then the strongest ones with signed activations."""
    ids, keys = (column[feature] for column in sample)
    yield pack_sample(ids[keys > 0], keys[keys > 0])
    ids, values = (column[feature] for column in strongest)
    yield pack_scored(ids[values > 0], sign * values[values > 0])


def _token_columns(top: TopEntries) -> TokenColumns:
    top = top.ordered()
    return top.columns["token"].cpu().numpy(), top.value.cpu().numpy()


def _example_rows(statistics: LayerStatistics, changed: np.ndarray) -> Iterator[Row]:
    """Rows of examples, and of the levels that are near enough to the strongest one."""
    first_id = statistics.first_id
    for side in statistics.sides:
        kind = TOP if side.sign > 0 else BOTTOM
        for number, rank, *rest in _entries(side.examples, changed, first_id):
            yield (number, kind, rank, *rest)
        level = side.levels.ordered().value.floor().cpu().numpy()
        near = level > level[:, :1] - LEVELS
        for number, rank, *rest in _entries(side.levels, changed, first_id):
            if near[number - first_id, rank]:
                yield (number, kind + side.sign * (rank + 1), 0, *rest)


def _entries(top: TopEntries, changed: np.ndarray, first_id: int) -> Iterator[list[Any]]:
    """Feature id, rank, window, position, first, peak, context and packed activations of each entry."""
    top = top.ordered()
    row, rank = np.nonzero(top.value.cpu().numpy()[changed] > 0)
    of = {name: column.cpu().numpy()[changed[row], rank] for name, column in top.columns.items()}
    packed = np.concatenate(
        [of["scale"].astype("<f4")[:, None].view(np.uint8), of["steps"].view(np.uint8)], axis=1
    ).tobytes()
    starts = np.arange(len(row)) * (SPAN + 4)
    columns = (
        changed[row] + first_id,
        rank,
        top.window.cpu().numpy()[changed[row], rank],
        *(of[name] for name in ("position", "first", "peak", "context")),
        starts,
        starts + 4 + of["count"],
    )
    for *entry, start, end in zip(*(column.tolist() for column in columns), strict=True):
        yield [*entry, packed[start:end]]


def read_statistics(connection: sqlite3.Connection, metadata: IndexMetadata, layer: int) -> LayerStatistics:
    """The statistics that `write_statistics` wrote; empty where it wrote none."""
    first_id, n_features = metadata.offsets[layer], metadata.widths[layer]
    statistics = LayerStatistics.empty(n_features, first_id, two_sided=metadata.two_sided)
    span = first_id, first_id + n_features - 1
    rows = connection.execute(
        "SELECT feature, total, minimum, maximum, histogram, frequent_tokens, strongest_tokens, "
        "frequent_low, strongest_low FROM features WHERE id BETWEEN ? AND ?",
        span,
    )
    for feature, total, minimum, maximum, histogram, *tokens in rows:
        statistics.total[feature] = total
        if minimum is not None:
            statistics.minimum[feature], statistics.maximum[feature] = minimum, maximum
        statistics.counts[feature] = torch.from_numpy(unpack_histogram(histogram))
        for side, sample, strongest in zip(statistics.sides, tokens[::2], tokens[1::2], strict=False):
            _fill_tokens(side.sample, feature, *unpack_sample(sample))
            ids, values = unpack_scored(strongest)
            _fill_tokens(side.strongest, feature, ids, side.sign * values)
    for side in statistics.sides:
        _restore(connection, side, statistics.ids, span)
    statistics.changed.fill_(False)
    return statistics


def _restore(
    connection: sqlite3.Connection, side: SideStatistics, ids: torch.Tensor, span: tuple[int, int]
) -> None:
    """Fill in examples and levels of one side; values and keys follow from what is stored."""
    for top in (side.strongest, side.sample):
        keys = top.columns["token"].long() if top is side.strongest else top.value.view(torch.int64)
        top.key = torch.where(top.value > 0, keys, -1)
    kind = TOP if side.sign > 0 else BOTTOM
    beyond = "> 0" if side.sign > 0 else "< -1"
    for top, wanted in ((side.examples, f"= {kind}"), (side.levels, beyond)):
        rows = connection.execute(f"SELECT {COLUMNS} FROM examples WHERE kind {wanted} AND {WITHIN}", span)
        _fill_examples(top, rows.fetchall(), span[0])
    examples, levels = side.examples, side.levels
    examples.value = examples.columns["peak"].double() * side.sign
    examples.key = torch.where(examples.value > 0, examples.columns["context"], -1)
    filled = levels.window >= 0
    level = (bins_of(levels.columns["peak"] * side.sign) - ZERO).long()
    share = hashed_share(levels.window, ids[:, None], LEVEL_SALT)
    levels.value = torch.where(filled, level + share, 0.0)
    levels.key = torch.where(filled, level % LEVELS, -1)


def _fill_tokens(top: TopEntries, feature: int, ids: np.ndarray, values: np.ndarray) -> None:
    top.columns["token"][feature, : len(ids)] = torch.from_numpy(ids)
    top.value[feature, : len(ids)] = torch.from_numpy(values.astype(np.float64))


def _fill_examples(top: TopEntries, rows: list[Row], first_id: int) -> None:
    if not rows:
        return
    feature, rank, window, *facts, blobs = zip(*rows, strict=True)
    at = torch.tensor(feature) - first_id, torch.tensor(rank)
    top.window[at] = torch.tensor(window)
    for name, values in zip(("position", "first", "peak", "context"), facts, strict=True):
        top.columns[name][at] = torch.tensor(values, dtype=top.columns[name].dtype)
    packed = np.frombuffer(b"".join(blob.ljust(SPAN + 4, b"\0") for blob in blobs), np.uint8)
    packed = packed.reshape(-1, SPAN + 4)
    top.columns["count"][at] = torch.tensor([len(blob) - 4 for blob in blobs], dtype=torch.int32)
    top.columns["scale"][at] = torch.from_numpy(packed[:, :4].copy().view("<f4")[:, 0].astype(np.float32))
    top.columns["steps"][at] = torch.from_numpy(packed[:, 4:].view(np.int8).copy())
