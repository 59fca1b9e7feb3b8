"""Short excerpts of many features at once: the words around their peaks, for names."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clew.feature import Feature
from clew.index.storage.blobs import unpack_sample, unpack_scored
from clew.index.storage.metadata import IndexMetadata
from clew.index.storage.texts import IDS_AT_ONCE, TokenTexts

BEFORE, AFTER = 24, 8
"""Tokens around a peak."""


@dataclass(frozen=True)
class PeakText:
    """The tokens around a peak of a feature."""

    tokens: tuple[str, ...]
    peak_at: int
    """The place of the peak in `tokens`."""
    peak: float
    """The magnitude of the activation there."""
    is_first: bool = False
    """True where no token but the sink stands before the peak."""


@dataclass(frozen=True)
class Excerpt:
    """One side of a feature, as far as names are made of it."""

    feature: Feature
    negative: bool
    """It is about negative activations, which a neuron may have."""
    frequency: float
    """Share of all positions at which the feature is active."""
    texts: tuple[PeakText, ...]
    """The strongest first, each window once."""
    peaks: tuple[tuple[str, float], ...]
    """Peak tokens with their shares of a sample, the largest share first."""
    promotes: tuple[str, ...]
    """Output tokens, the strongest first."""
    n_layers: int = 0
    """Layers of the dictionary."""


def read_excerpts(
    connection: sqlite3.Connection,
    metadata: IndexMetadata,
    sides: Mapping[Feature, bool | None],
    texts: TokenTexts,
) -> dict[Feature, Excerpt]:
    """Excerpts of those features that are known; a side is True for negative activations, None for any."""
    ids = {number: each for each in sides if (number := metadata.feature_id(each)) is not None}
    numbers = list(ids)
    excerpts: dict[Feature, Excerpt] = {}
    for begin in range(0, len(numbers), IDS_AT_ONCE):
        some = numbers[begin : begin + IDS_AT_ONCE]
        marks = ",".join("?" * len(some))
        peaks_of = _peaks(connection, some, marks, first=0 if metadata.sink is None else 1)
        rows = connection.execute(
            f"""SELECT id, frequency, minimum, maximum, top_outputs, bottom_outputs, frequent_tokens,
            frequent_low FROM features WHERE id IN ({marks})""",
            some,
        ).fetchall()
        for number, frequency, low, high, tops, bottoms, frequent, frequent_low in rows:
            feature = ids[number]
            side = sides[feature]
            negative = -(low or 0) > (high or 0) if side is None else side
            scored = unpack_scored((bottoms if negative else tops) or b"")[0].tolist()
            excerpts[feature] = Excerpt(
                feature,
                negative,
                frequency,
                tuple(_text(row, texts) for row in peaks_of[number, negative]),
                _sample((frequent_low if negative else frequent) or b"", texts),
                tuple(texts(scored)),
                metadata.n_layers,
            )
    return excerpts


def _peaks(
    connection: sqlite3.Connection, numbers: list[int], marks: str, first: int
) -> dict[tuple[int, bool], list[tuple[list[int], int, float, bool]]]:
    """Token ids around the peaks of each side, each window once, the strongest first."""
    rows = connection.execute(
        f"""SELECT feature, window, position, peak, substr(tokens, 1 + 4 * max({first}, position - {BEFORE}),
        4 * (min(position - {first}, {BEFORE}) + 1 + {AFTER})) FROM examples
        JOIN windows ON windows.id = window WHERE feature IN ({marks}) ORDER BY abs(peak) DESC""",
        numbers,
    )
    found: dict[tuple[int, bool], list[tuple[list[int], int, float, bool]]] = defaultdict(list)
    seen: set[tuple[int, int, bool]] = set()
    for number, window, position, peak, blob in rows:
        key = number, window, peak < 0
        if key not in seen:
            seen.add(key)
            at = min(position - first, BEFORE)
            tokens = np.frombuffer(blob, "<i4").tolist()
            found[number, peak < 0].append((tokens, at, abs(peak), position == first))
    return found


def _text(row: tuple[list[int], int, float, bool], texts: TokenTexts) -> PeakText:
    ids, at, peak, is_first = row
    return PeakText(tuple(texts(ids)), at, peak, is_first)


def _sample(blob: bytes, texts: TokenTexts) -> tuple[tuple[str, float], ...]:
    ids, _ = unpack_sample(blob)
    distinct, counts = np.unique(ids, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shares = (counts[order] / max(1, len(ids))).tolist()
    return tuple(zip(texts(distinct[order].tolist()), shares, strict=True))
