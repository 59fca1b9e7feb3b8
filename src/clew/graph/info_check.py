"""Numbers that a graph's file gives besides its arrays: those outside their range are refused."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from clew.errors import ClewError
from clew.graph.arrays import GraphArrays
from clew.token_text import quote

MOST_DEPTH = 64
"""Nesting of values that a file keeps for other tools; no real file is as deep."""
LARGEST_ID = 2**31 - 1
ROUNDING = 1e-3
"""The amount by which a share may leave 0 to 1, as sums of float32 do."""


def check_values(graph: GraphArrays) -> None:
    """Raise `ClewError` for a number outside its range, and for fields that are nested too deeply."""
    info = graph.info
    _check_finite("description", info)
    _check_finite("annotations", graph.annotations)
    shares = [
        *((f"The target {quote(each.text)}", each.probability) for each in info.targets),
        *((f"The prediction {quote(text)}", share) for text, share in info.predictions),
    ]
    for what, share in shares:
        if share is not None and not -ROUNDING <= share <= 1 + ROUNDING:
            raise ClewError(f"{what} has the probability {share:.3g}; expected a number from 0 to 1.")
    for phase, seconds in info.timing.items():
        if seconds < 0:
            raise ClewError(f"The phase {quote(phase)} took {seconds:.3g} seconds; expected a number from 0.")
    ids = [*info.prediction_ids, *info.token_text, *(each.token_id for each in info.targets)]
    if wrong := next((each for each in ids if not -1 <= each <= LARGEST_ID), None):
        raise ClewError(f"The graph names the token id {wrong}; expected a number from 0 to {LARGEST_ID}.")


def _check_finite(where: str, record: Any) -> None:
    for value in _parts(where, record):
        if not _is_finite(value):
            raise ClewError(f"The graph's {where} holds a number that is not finite; expected a number.")


def _is_finite(value: Any) -> bool:
    try:
        return not isinstance(value, int | float) or math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False


def _parts(where: str, value: Any, depth: int = 0) -> Iterator[Any]:
    """All that a value holds, as texts, numbers and so on."""
    if depth > MOST_DEPTH:
        raise ClewError(f"The graph's {where} is nested more than {MOST_DEPTH} deep; flatten it first.")
    if is_dataclass(value):
        for field in fields(value):
            yield from _parts(where, getattr(value, field.name), depth + 1)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _parts(where, item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(where, item, depth + 1)
    else:
        yield value
