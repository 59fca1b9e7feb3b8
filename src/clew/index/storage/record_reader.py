"""From the rows of an index to a `FeatureRecord`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import numpy as np

from clew.index.storage.blobs import (
    unpack_activations,
    unpack_drawn,
    unpack_histogram,
    unpack_scored,
    unpack_tokens,
)
from clew.index.storage.histogram import bin_of, edges, quantiles
from clew.index.storage.label import Label
from clew.index.storage.metadata import About
from clew.index.storage.record import (
    BOTTOM,
    TOP,
    Example,
    ExampleGroup,
    FeatureRecord,
    Histogram,
    TokenValue,
)

SHARES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)
"""Where the quantiles of a record are taken."""

Texts = Callable[[Iterable[int]], dict[int, str]]
FACTS = (
    "frequency, mean, minimum, maximum, histogram, top_outputs, bottom_outputs, frequent_tokens, "
    "strongest_tokens, frequent_low, strongest_low, imported"
)


def read_feature(
    connection: sqlite3.Connection, about: About, number: int, label: Label | None, texts: Texts
) -> FeatureRecord | None:
    """One feature, never seen where nothing was counted for it yet; None where nothing is known of it."""
    layer, feature = about.place_of(number)
    row = connection.execute(f"SELECT {FACTS} FROM features WHERE id = ?", (number,)).fetchone()
    if row is None and about.partial:
        return None
    if row is None:
        row = (0.0, *[None] * FACTS.count(","))
    frequency, mean, minimum, maximum, histogram, tops, bottoms, *tokens, imported = row
    frequent, strongest, frequent_low, strongest_low = tokens
    foreign: dict[str, Any] = json.loads(imported) if imported else {}
    shown, values = _distribution(histogram, minimum, maximum, foreign)
    return FeatureRecord(
        layer=layer,
        feature=feature,
        label=label,
        positions=about.positions,
        frequency=frequency,
        mean=mean,
        minimum=minimum,
        maximum=maximum,
        histogram=shown,
        quantiles=values,
        groups=_groups(connection, number, texts, foreign.get("group_names", {})),
        top_outputs=_scored(tops, texts),
        bottom_outputs=_scored(bottoms, texts),
        frequent_tokens=_frequent(frequent, texts),
        strongest_tokens=_scored(strongest, texts),
        frequent_low=_frequent(frequent_low, texts),
        strongest_low=_scored(strongest_low, texts),
    )


def _distribution(
    blob: bytes | None, minimum: float | None, maximum: float | None, foreign: dict[str, Any]
) -> tuple[Histogram, tuple[tuple[float, float], ...]]:
    """The bins from the first that is not empty to the last, and quantiles; foreign ones as they came."""
    if foreign.get("histogram"):
        shown = Histogram(tuple(foreign["histogram_edges"]), tuple(foreign["histogram"]))
        return shown, tuple((share, value) for share, value in foreign.get("quantiles", ()))
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


def _scored(blob: bytes | None, texts: Texts) -> tuple[TokenValue, ...]:
    ids, values = unpack_scored(blob or b"")
    spelled = texts(ids.tolist())
    pairs = zip(ids.tolist(), values.tolist(), strict=True)
    return tuple(TokenValue(spelled[token], value) for token, value in pairs)


def _frequent(blob: bytes | None, texts: Texts) -> tuple[TokenValue, ...]:
    """Each token of the sample with its share, the largest first."""
    ids, _ = unpack_drawn(blob or b"")
    distinct, counts = np.unique(ids, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    spelled = texts(distinct.tolist())
    return tuple(
        TokenValue(spelled[token], count / len(ids))
        for token, count in zip(distinct[order].tolist(), counts[order].tolist(), strict=True)
    )


def _groups(
    connection: sqlite3.Connection, number: int, texts: Texts, names: dict[str, str]
) -> tuple[ExampleGroup, ...]:
    """The strongest, the levels below them, the most negative, the levels above those."""
    rows = connection.execute(
        """SELECT kind, window, position, first, peak, activations, tokens FROM examples
        JOIN windows ON windows.id = window WHERE feature = ? ORDER BY kind < 0, abs(kind), rank""",
        (number,),
    ).fetchall()
    found = [(row[0], _shown(row), row) for row in rows]
    spelled = texts({token for _, (ids, _), _ in found for token in ids})
    groups = []
    for kind, some in groupby(found, key=lambda entry: entry[0]):
        examples = tuple(_example(row, ids, activations, spelled) for _, (ids, activations), row in some)
        groups.append(ExampleGroup(kind, names.get(str(kind)) or _name(kind, examples), examples))
    return tuple(groups)


def _shown(row: tuple) -> tuple[list[int], list[float]]:
    """The tokens of an example whose activations are kept, and these."""
    _, _, _, first, _, blob, tokens = row
    activations = unpack_activations(blob)
    return unpack_tokens(tokens)[first : first + len(activations)].tolist(), activations.tolist()


def _example(row: tuple, ids: list[int], activations: list[float], spelled: dict[int, str]) -> Example:
    _, window, position, first, peak, _, _ = row
    return Example(
        tokens=tuple(spelled[token] for token in ids),
        activations=tuple(activations),
        peak_at=position - first,
        peak=peak,
        window=window,
        position=position,
    )


def _name(kind: int, examples: tuple[Example, ...]) -> str:
    if kind in (TOP, BOTTOM):
        return "strongest" if kind == TOP else "most negative"
    low = int(bin_of(np.array([examples[0].peak], dtype=np.float32))[0])
    return f"from {edges()[low]:.3g} to {edges()[low + 1]:.3g}"
