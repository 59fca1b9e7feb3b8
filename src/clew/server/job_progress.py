"""Progress of a running job, and its cancellation."""

from __future__ import annotations

import threading
from collections.abc import Callable

from clew.progress import PHASES


class Cancelled(Exception):
    """Raised inside a job that was cancelled, where it may stop."""


class JobProgress:
    """Phase, done and total of one running job; every report is a place where the job may stop."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.phase, self.done, self.total = "", 0, 0
        self._on_change = on_change
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    def check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def note(self, text: str) -> None:
        """A stage of unknown length."""
        self.work(text.removesuffix("...").rstrip(), 0, 0)

    def work(self, phase: str, done: int, total: int) -> None:
        """`done` of `total` in a phase (an `OnProgress`)."""
        self.check()
        self.phase, self.done, self.total = PHASES.get(phase, phase), done, total
        self._on_change()
