"""Docstrings open with what a thing is or does, and nothing refers to what is not in the repository."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "clew").rglob("*.py"))
OPENING = re.compile(r"(What|Where|Whether|Which|How|When|Who|Whose|Why|That|As|On|From|Of|If|So|Whatever)\b")
"""Words with which a docstring says neither what a thing is nor what it does."""
FOLDERS = ("src", "tests", "benchmarks", "tools", "docs", "web/src", "web/test")
TEXTS = {".md", ".py", ".ts", ".svelte", ".toml", ".css"}
ELSEWHERE = re.compile(r"/work/|/root/|/home/\w+/|\((?:design|formats|shared|parity): \"")
"""Paths of one machine, and chapters of documents that are not in the repository."""
DOCUMENT = re.compile(r"(?<![\w./-])((?:docs|benchmarks|src|tests|web|tools)/[\w./-]+\.\w+)")
"""Paths of files in this repository."""


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring, and of every string below a field."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text.strip()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_open_with_what_a_thing_is_or_does(path: Path):
    assert [f"{line}: {text[:60]}" for line, text in docstrings(path) if OPENING.match(text)] == []


def texts() -> list[Path]:
    """Every file of code and prose that people write here."""
    written = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in TEXTS]
    written += [path for path in ROOT.iterdir() if path.suffix in TEXTS]
    return [
        path for path in written if path.is_file() and path != Path(__file__) and "_build" not in path.parts
    ]


def test_nothing_refers_to_what_is_not_in_the_repository():
    slips = []
    for path in texts():
        text = path.read_text(encoding="utf-8")
        slips += [f"{path.relative_to(ROOT)}: {found.group()}" for found in ELSEWHERE.finditer(text)]
        slips += [
            f"{path.relative_to(ROOT)}: {name}"
            for name in DOCUMENT.findall(text)
            if not (ROOT / name).exists() and not (path.parent / name).exists()
        ]
    assert slips == []
