"""`GraphInfo` and `Annotations` as strict JSON, and back, as the types of their fields say."""

from __future__ import annotations

import math
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from clew.errors import ClewError
from clew.graph.info import Annotations, GraphInfo

JSON_TYPES: dict[type, tuple[str, type | tuple[type, ...]]] = {
    str: ("a string", str),
    int: ("a whole number", int),
    float: ("a number", (int, float)),
    tuple: ("a list", list),
    dict: ("an object", dict),
}
"""For each type of a field the JSON to read it from, in words and as Python's types."""


def info_to_json(info: GraphInfo) -> dict[str, Any]:
    """Plain JSON values; numbers that are not finite become null."""
    return plain(asdict(info))


def info_from_json(data: Any) -> GraphInfo:
    """The inverse of `info_to_json`: unknown fields are ignored, missing ones take their default.

    Raises `ClewError` for a field of the wrong type, and for a missing prompt or token list.
    """
    fields = _fields(data, GraphInfo, "the description")
    for name in ("prompt", "tokens"):
        if name not in fields:
            raise ClewError(f'The description lacks the field "{name}".')
    return GraphInfo(**fields)


def annotations_to_json(annotations: Annotations) -> dict[str, Any]:
    """`{labels: {id: text}, supernodes: [[name, [id, ...]], ...], pins: [id, ...], ...}`.

    Also `feature_labels: {"L12/4031": text}`, `supernode_colors: {name: "#rrggbb"}`, and the places of boxes,
    `supernode_places: {name: {x, y, width, height}}` and `node_places`. `others` stand beside these.
    """
    fields = plain(asdict(annotations))
    return fields.pop("others") | fields


def annotations_from_json(data: Any) -> Annotations:
    """The inverse of `annotations_to_json`; raises `ClewError` for a field of the wrong type."""
    fields = _fields(data, Annotations, "the annotations")
    known = get_type_hints(Annotations)
    fields["others"] = {key: value for key, value in data.items() if key not in known}
    return Annotations(**fields)


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


def _fields(data: Any, record: type, where: str) -> dict[str, Any]:
    """The fields of a dataclass that are present and not null."""
    if not isinstance(data, dict):
        raise ClewError(f"In {where}, expected a JSON object, found {type(data).__name__}.")
    values = {}
    for name, kind in get_type_hints(record).items():
        if data.get(name) is None:
            continue
        try:
            values[name] = _read(data[name], kind)
        except (KeyError, TypeError, ValueError) as error:
            raise ClewError(f'In {where}, the field "{name}" cannot be read: {error}.') from error
    return values


def _read(value: Any, kind: Any) -> Any:
    """A JSON value as an annotation says; raises `TypeError` or `ValueError` for another one."""
    if get_origin(kind) is UnionType:
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    if kind is Any:
        return value
    if is_dataclass(kind):
        return kind(**_fields(value, kind, kind.__name__))  # type: ignore[operator]
    container, parts = get_origin(kind) or kind, get_args(kind)
    words, json_type = JSON_TYPES[container]
    if not isinstance(value, json_type) or isinstance(value, bool):
        raise TypeError(f"expected {words}, found {type(value).__name__}")
    if container is dict:
        return {parts[0](key): _read(item, parts[1]) for key, item in value.items()}
    if container is not tuple:
        return value
    if parts[-1] is Ellipsis:
        parts = parts[:1] * len(value)
    if len(parts) != len(value):
        raise ValueError(f"expected {len(parts)} items, found {len(value)}")
    return tuple(_read(item, part) for item, part in zip(value, parts, strict=True))
