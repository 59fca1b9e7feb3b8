"""A console of rich that writes styles, and shows texts without what would steer the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from clew.cli.output import beneath
from clew.plain_text import visible


class VisibleConsole(Console):
    """A console whose texts show control characters as escapes; its own styles and moves are rich's."""

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, stderr=stderr, **options)
        if self._file is None:
            self.file = beneath(sys.stderr if stderr else sys.stdout)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The segments of something to print; those that only steer the terminal are rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))
