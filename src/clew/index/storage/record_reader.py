"""Records of features, read from the rows of an index."""

from __future__ import annotations

import json
import sqlite3
from itertools import groupby
from typing import Any

import numpy as np

from clew.index.storage.blobs import (
    unpack_activations,
    unpack_histogram,
    unpack_sample,
    unpack_scored,
    unpack_tokens,
)
from clew.index.storage.histogram import bin_of, edges, quantiles
from clew.index.storage.labels import Label
from clew.index.storage.metadata import IndexMetadata
from clew.index.storage.record import (
    BOTTOM,
    TOP,
    Example,
    ExampleGroup,
    FeatureRecord,
    Histogram,
    TokenValue,
)
from clew.index.storage.texts import TokenTexts

SHARES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)
"""Shares of the quantiles in a record."""
COLUMNS = (
    "frequency, mean, minimum, maximum, histogram, top_outputs, bottom_outputs, frequent_tokens, "
    "strongest_tokens, frequent_low, strongest_low, imported"
)


def read_record(
    connection: sqlite3.Connection,
    metadata: IndexMetadata,
    feature_id: int,
    label: Label | None,
    texts: TokenTexts,
) -> FeatureRecord | None:
    """The record of one feature; None where a partial index does not have the feature.

    A feature without a row was never counted, so it was never active.
    """
    row = connection.execute(f"SELECT {COLUMNS} FROM features WHERE id = ?", (feature_id,)).fetchone()
    if row is None and metadata.partial:
        return None
    if row is None:
        row = (0.0, *[None] * COLUMNS.count(","))
    frequency, mean, minimum, maximum, histogram, tops, bottoms, *tokens, imported_json = row
    frequent, strongest, frequent_low, strongest_low = tokens
    imported: dict[str, Any] = json.loads(imported_json) if imported_json else {}
    bars, values = _distribution(histogram, minimum, maximum, imported)
    return FeatureRecord(
        feature=metadata.feature_of(feature_id),
        label=label,
        positions=metadata.positions,
        frequency=frequency,
        mean=mean,
        minimum=minimum,
        maximum=maximum,
        histogram=bars,
        quantiles=values,
        groups=_groups(connection, feature_id, texts, imported.get("group_names", {})),
        top_outputs=_scored(tops, texts),
        bottom_outputs=_scored(bottoms, texts),
        frequent_tokens=_frequent(frequent, texts),
        strongest_tokens=_scored(strongest, texts),
        frequent_low=_frequent(frequent_low, texts),
        strongest_low=_scored(strongest_low, texts),
    )


def _distribution(
    blob: bytes | None, minimum: float | None, maximum: float | None, imported: dict[str, Any]
) -> tuple[Histogram, tuple[tuple[float, float], ...]]:
    """The histogram without empty bins at its ends, and quantiles; imported ones stay as they came."""
    if imported.get("histogram"):
        bars = Histogram(tuple(imported["histogram_edges"]), tuple(imported["histogram"]))
        return bars, tuple((share, value) for share, value in imported.get("quantiles", ()))
    counts = unpack_histogram(blob or b"")
    (filled,) = np.nonzero(counts)
    if minimum is None or maximum is None or not len(filled):
        return Histogram((), ()), ()
    first, last = int(filled[0]), int(filled[-1])
    limits = np.clip(edges(), minimum, maximum)[first : last + 2].tolist()
    values = quantiles(counts, np.array(SHARES), minimum, maximum).tolist()
    return (
        Histogram(tuple(limits), tuple(counts[first : last + 1].tolist())),
        tuple(zip(SHARES, values, strict=True)),
    )


def _scored(blob: bytes | None, texts: TokenTexts) -> tuple[TokenValue, ...]:
    ids, values = unpack_scored(blob or b"")
    return tuple(map(TokenValue, texts(ids.tolist()), values.tolist()))


def _frequent(blob: bytes | None, texts: TokenTexts) -> tuple[TokenValue, ...]:
    """Each token of the sample with its share, the largest share first."""
    ids, _ = unpack_sample(blob or b"")
    distinct, counts = np.unique(ids, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return tuple(map(TokenValue, texts(distinct[order].tolist()), (counts[order] / len(ids)).tolist()))


def _groups(
    connection: sqlite3.Connection, feature_id: int, texts: TokenTexts, names: dict[str, str]
) -> tuple[ExampleGroup, ...]:
    """The strongest examples, the levels below them, the most negative ones, the levels above those."""
    rows = connection.execute(
        """SELECT kind, window, position, first, peak, activations, tokens FROM examples
        JOIN windows ON windows.id = window WHERE feature = ? ORDER BY kind < 0, abs(kind), rank""",
        (feature_id,),
    ).fetchall()
    groups = []
    for kind, rows_of_kind in groupby(rows, key=lambda row: row[0]):
        examples = tuple(_example(row, texts) for row in rows_of_kind)
        groups.append(ExampleGroup(kind, names.get(str(kind)) or _group_name(kind, examples), examples))
    return tuple(groups)


def _example(row: tuple, texts: TokenTexts) -> Example:
    _, window, position, first, peak, blob, tokens = row
    activations, ids = unpack_activations(blob), unpack_tokens(tokens)
    if not 0 <= first <= position < first + len(activations) <= len(ids):
        raise ValueError(f"the example of window {window} does not lie in its text")
    return Example(
        tokens=tuple(texts(ids[first : first + len(activations)].tolist())),
        activations=tuple(activations.tolist()),
        peak_at=position - first,
        peak=peak,
        window=window,
        position=position,
    )


def _group_name(kind: int, examples: tuple[Example, ...]) -> str:
    if kind in (TOP, BOTTOM):
        return "strongest" if kind == TOP else "most negative"
    low = int(bin_of(np.array([examples[0].peak], dtype=np.float32))[0])
    return f"from {edges()[low]:.3g} to {edges()[low + 1]:.3g}"
