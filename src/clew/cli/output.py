"""All that a command prints: what files and libraries hold goes through here and shows as plain text."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from clew.plain_text import visible

MOVES_OF_BARS = re.compile(r"\n*(\x1b\[A)*")
"""A write by which the hub's progress bars go to a line of theirs."""


class VisibleStream:
    """A stream that writes escapes such as `\\x1b` in place of control characters, to the one beneath."""

    def __init__(self, beneath: TextIO) -> None:
        self.beneath = beneath

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)

    def write(self, text: str) -> int:
        self.beneath.write(text if self._moves_a_bar(text) else self._shown(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def _shown(self, text: str) -> str:
        start = "\r" if text.startswith("\r") and self.beneath.isatty() else ""  # a bar is drawn anew
        return start + visible(text[len(start) :])

    def _moves_a_bar(self, text: str) -> bool:
        return bool(MOVES_OF_BARS.fullmatch(text)) and self.beneath.isatty()


def beneath(stream: TextIO) -> TextIO:
    """The stream that styles may be written to, beneath the one for text."""
    while isinstance(stream, VisibleStream):
        stream = stream.beneath
    return stream


@contextmanager
def visible_output() -> Iterator[None]:
    """A block in which whatever is printed, by whomever, shows its control characters."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_guarded, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def guard_stderr() -> None:
    """Guard stderr again after a live display of rich has put its own in place, which obeys escapes."""
    sys.stderr = _guarded(sys.stderr)


def _guarded(stream: TextIO) -> TextIO:
    return stream if isinstance(stream, VisibleStream) else cast(TextIO, VisibleStream(stream))
