"""Progress of long work, as functions report it and as people read it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with a phase, how much of it is done, and how much there is."""

OnStep: TypeAlias = Callable[[int, int], None]
"""An `OnProgress` within one phase: called with how much is done, and how much there is."""

OnNote: TypeAlias = Callable[[str], None]
"""Called with a sentence for a person; one that ends in "..." tells of something that takes long."""

PHASES = {
    "selection": "Choosing features",
    "rows": "Computing rows",
    "output tokens": "Reading output tokens",
}
"""Phases of tracing as a person reads them; other phases read as they are named."""


def ignore_progress(phase: str, done: int, total: int) -> None:
    """An `OnProgress` that does nothing."""


def ignore_step(done: int, total: int) -> None:
    """An `OnStep` that does nothing."""


def ignore_note(text: str) -> None:
    """An `OnNote` that does nothing."""


@dataclass
class Stopwatch:
    """Seconds by phase; a phase that is entered again adds up."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin
