"""What a job tells while it works, and how it hears that nobody wants it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Cancelled(Exception):
    """Raised inside a job where it may stop."""


PHASES = {
    "selection": "Choosing features",
    "rows": "Computing rows",
    "output tokens": "Reading output tokens",
}


class JobProgress:
    """Phase, done and total of one running job; every word about it is a place where it may stop."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self.phase, self.done, self.total = "", 0, 0
        self._tell = tell
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
        self._tell()
