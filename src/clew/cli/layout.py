"""What reports are made of: a page of stdout, titles, tables, bars."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

BAR = 24
"""Cells of the bar that stands for certainty."""
LEAST_WIDTH = 72
"""Narrower terminals wrap by themselves: no name is ever cut."""


@contextmanager
def page() -> Iterator[Console]:
    """Stdout, with no text taken for markup and no number coloured; written at once, lines trimmed."""
    console = Console(markup=False, highlight=False, emoji=False)
    console.width = max(console.width, LEAST_WIDTH)
    with console.capture() as captured:
        yield console
    sys.stdout.write(re.sub(" +$", "", captured.get(), flags=re.MULTILINE))
    sys.stdout.flush()


def bar(share: float) -> str:
    """As many cells as a share fills."""
    eighths = round(share * BAR * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def table(*headers: str) -> Table:
    """Columns two cells apart, without lines."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for header in headers:
        made.add_column(header)
    return made


def print_title(console: Console, title: str, remark: str = "") -> None:
    console.print()
    console.print(Text.assemble((title, "bold"), (f"  ({remark})" if remark else "", "dim")))


def print_indented(console: Console, content: Table | str, style: str = "") -> None:
    shown = Text(content, style=style) if isinstance(content, str) else content
    console.print(Padding(shown, (0, 0, 0, 2), expand=False))
