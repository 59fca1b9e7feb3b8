"""Markdown for the pages of measurements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, n_texts: int = 1) -> str:
    """A table whose first `n_texts` columns are texts; the others are numbers, at the right."""
    marks = ["---"] * n_texts + ["--:"] * (len(header) - n_texts)
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, marks, *rows])
