"""Markdown for the pages of measurements."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

LINE = 110
"""Letters of a line of text, at most."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, n_texts: int = 1) -> str:
    """A table whose first `n_texts` columns are texts; the others are numbers, at the right."""
    marks = ["---"] * n_texts + ["--:"] * (len(header) - n_texts)
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, marks, *rows])


def filled(page: str) -> str:
    """A page whose paragraphs have lines of one length, whatever was filled in; headings and tables stay."""
    return (
        "\n\n".join(
            part if part.startswith(("#", "|")) else textwrap.fill(part, LINE, break_long_words=False)
            for part in page.strip().split("\n\n")
        )
        + "\n"
    )
