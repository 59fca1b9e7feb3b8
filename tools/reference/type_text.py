"""Types and defaults as a person writes them, the same on every machine and Python."""

from __future__ import annotations

import ast
import collections.abc
import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

INTERNAL = ("clew.model.", "clew.dictionary.")
"""Modules whose classes a person only hands on."""


def spelled_type(annotation: Any) -> str:
    """An annotation as it stands in the code: `str | Sequence[int] | None`."""
    if annotation in (inspect.Parameter.empty, Any):
        return ""
    if isinstance(annotation, str):
        return annotation.strip("\"'")
    if annotation in (None, types.NoneType):
        return "None"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return spelled_type(arguments[0])
    if origin in (Union, types.UnionType):
        return " | ".join(map(spelled_type, arguments))
    if origin is Literal:
        return " | ".join(map(repr, arguments)).replace("'", '"')
    if origin is collections.abc.Callable:
        given, result = arguments
        listed = f"[{', '.join(map(spelled_type, given))}]" if isinstance(given, list) else "..."
        return f"Callable[{listed}, {spelled_type(result)}]"
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(spelled_type, arguments))}]"
    return "..." if annotation is ... else getattr(annotation, "__name__", str(annotation))


def spelled_default(value: Any) -> str:
    """A default as one would write it; functions and classes by name."""
    if isinstance(value, str):
        return f'"{value}"'
    if callable(value):
        return value.__name__
    return repr(value)


def public_classes_in(module: str, annotations: Iterable[Any]) -> list[type]:
    """The classes of clew that annotations in a module name, except internal ones."""
    names = dict.fromkeys(re.findall(r"[A-Za-z_]\w*", " ".join(map(spelled_type, annotations))))
    values = [_names_of(module).get(name) for name in names]
    return [
        value
        for value in values
        if inspect.isclass(value)
        and value.__module__.startswith("clew.")
        and not value.__module__.startswith(INTERNAL)
    ]


@functools.cache
def _names_of(module: str) -> dict[str, Any]:
    """The names of a module, those imported for type checking alone included."""
    loaded = sys.modules[module]
    names = {}
    for node in ast.walk(ast.parse(Path(str(loaded.__file__)).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("clew."):
            names |= {each.asname or each.name: (node.module, each.name) for each in node.names}
    resolved = {name: getattr(_imported(home), attribute) for name, (home, attribute) in names.items()}
    return {**resolved, **vars(typing), **vars(loaded)}


def _imported(module: str | None) -> Any:
    from importlib import import_module

    return import_module(str(module))
