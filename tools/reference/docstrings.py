"""Docstrings in Google style, taken apart, and the strings that stand below fields."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass, field
from typing import Any

SECTION = re.compile(r"^(Args|Returns|Yields|Raises):$", re.MULTILINE)
ENTRY = re.compile(r"^(\*{0,2}\w+)(?: \(.*?\))?: ", re.MULTILINE)


@dataclass(frozen=True)
class Docstring:
    """A docstring: its text, then what it says of parameters, result and errors."""

    text: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    returns: str = ""
    raises: dict[str, str] = field(default_factory=dict)


def docstring_of(documented: Any) -> Docstring:
    """The docstring of a class or function, in its parts."""
    text, *rest = SECTION.split(inspect.getdoc(documented) or "")
    sections = {
        title: textwrap.dedent(body).strip() for title, body in zip(rest[::2], rest[1::2], strict=True)
    }
    return Docstring(
        text.strip(),
        _entries(sections.get("Args", "")),
        _one_line(sections.get("Returns") or sections.get("Yields", "")),
        _entries(sections.get("Raises", "")),
    )


def field_sentences(owner: type) -> dict[str, str]:
    """The strings that stand below the fields of a class, by field."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(definition, ast.ClassDef)
    sentences = {}
    for statement, below in zip(definition.body, definition.body[1:], strict=False):
        match statement, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                sentences[name] = _one_line(inspect.cleandoc(text))
    return sentences


def _entries(body: str) -> dict[str, str]:
    """`name: sentence` and the indented lines that follow, by name."""
    _, *parts = ENTRY.split(body)
    return {name: _one_line(text) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def _one_line(text: str) -> str:
    return " ".join(text.split())
