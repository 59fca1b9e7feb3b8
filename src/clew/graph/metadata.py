"""`GraphInfo` and `Annotations` as strict JSON, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from clew.errors import ClewError
from clew.graph.info import Annotations, GraphInfo, Scores, Sink, Size, Target


def info_to_json(info: GraphInfo) -> dict[str, Any]:
    """Plain JSON values; numbers that are not finite become null."""
    return plain(asdict(info))


def info_from_json(data: Any) -> GraphInfo:
    """The inverse of `info_to_json`: unknown fields are ignored, missing ones take their default.

    Raises `ClewError` for a field of the wrong type, and for a missing prompt or token list.
    """
    fields = _read(data, INFO_FIELDS, "the description")
    for name in ("prompt", "tokens"):
        if name not in fields:
            raise ClewError(f'The description lacks the field "{name}".')
    return GraphInfo(**fields)


def annotations_to_json(annotations: Annotations) -> dict[str, Any]:
    """`{labels: {id: text}, supernodes: [[name, [id, ...]], ...], pins: [id, ...], ...}`.

    Also `feature_labels: {"L12/4031": text}` and `supernode_colors: {name: "#rrggbb"}`.
    """
    return plain(asdict(annotations))


def annotations_from_json(data: Any) -> Annotations:
    """The inverse of `annotations_to_json`; raises `ClewError` for a field of the wrong type."""
    return Annotations(**_read(data, ANNOTATION_FIELDS, "the annotations"))


def plain(value: Any) -> Any:
    """The value as dictionaries, lists, strings, finite numbers, booleans and None."""
    match value:
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case np.ndarray() | np.generic():
            return plain(value.tolist())
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Path():
            return str(value)
        case _:
            raise ClewError(
                f"JSON cannot hold a {type(value).__name__}; leave it out of the graph's settings."
            )


Reader = Callable[[Any], Any]


def _read(data: Any, fields: dict[str, Reader], where: str) -> dict[str, Any]:
    """The listed fields that are present and not null, each read by its reader."""
    if not isinstance(data, dict):
        raise ClewError(f"In {where}, expected a JSON object, found {type(data).__name__}.")
    values = {}
    for name, read in fields.items():
        if data.get(name) is None:
            continue
        try:
            values[name] = read(data[name])
        except (TypeError, ValueError, KeyError) as error:
            raise ClewError(f'In {where}, the field "{name}" cannot be read: {error}.') from error
    return values


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, found {type(value).__name__}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {type(value).__name__}")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected a whole number, found {type(value).__name__}")
    return value


def _tuple_of(read: Reader) -> Reader:
    def read_all(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise TypeError(f"expected a list, found {type(value).__name__}")
        return tuple(read(item) for item in value)

    return read_all


def _dict_of(read_key: Reader, read: Reader) -> Reader:
    def read_all(value: Any) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise TypeError(f"expected an object, found {type(value).__name__}")
        return {read_key(key): read(item) for key, item in value.items()}

    return read_all


def _pair_of(first: Reader, second: Reader) -> Reader:
    def read_pair(value: Any) -> tuple[Any, Any]:
        one, two = value
        return first(one), second(two)

    return read_pair


def _record_of(make: Callable[..., Any], fields: dict[str, Reader]) -> Reader:
    return lambda value: make(**_read(value, fields, make.__name__))


SCORES = _record_of(Scores, {"replacement": _number, "completeness": _number})
TARGET = _record_of(
    Target,
    {
        "text": _text,
        "token_id": _integer,
        "weight": _number,
        "probability": _number,
        "minus_id": _integer,
    },
)
SIZE = _record_of(Size, {"nodes": _integer, "features": _integer, "edges": _integer})
SINK = _record_of(Sink, {"text": _text, "token_id": _integer, "kl": _number, "reason": _text})

INFO_FIELDS: dict[str, Reader] = {
    "prompt": _text,
    "tokens": _tuple_of(_text),
    "model": _text,
    "dictionary": _text,
    "targets": _tuple_of(TARGET),
    "predictions": _tuple_of(_pair_of(_text, _number)),
    "sink": SINK,
    "scores": SCORES,
    "whole": SIZE,
    "pruned_scores": SCORES,
    "conservation": _number,
    "influence_left_out": _number,
    "settings": _dict_of(_text, lambda value: value),
    "timing": _dict_of(_text, lambda value: value),
    "token_text": _dict_of(int, _text),
    "created": _text,
    "generator": _text,
}

ANNOTATION_FIELDS: dict[str, Reader] = {
    "labels": _dict_of(_text, _text),
    "supernodes": _tuple_of(_pair_of(_text, _tuple_of(_text))),
    "pins": _tuple_of(_text),
    "feature_labels": _dict_of(_text, _text),
    "supernode_colors": _dict_of(_text, _text),
}
