"""Progress on stderr: a spinner or a bar that leaves nothing behind."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any

from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from clew.cli.console import VisibleConsole
from clew.cli.output import guard_stderr
from clew.progress import PHASES

HUB = "on the Hugging Face hub ..."
"""The end of a note before a download."""


class Progress:
    """The current stage on a terminal; elsewhere only notes, as plain lines."""

    def __init__(self, *, silent: bool = False) -> None:
        """Show all, or with `silent` nothing at all."""
        console = VisibleConsole(stderr=True)
        self._bars: Bars | None = None
        self._phase, self._silent = "", silent
        if not silent and sys.stderr.isatty() and not console.is_dumb_terminal:
            columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), Bar(), TimeLeft()
            self._bars = Bars(*columns, console=console, transient=True, redirect_stdout=False)
            self._task = self._bars.add_task("", total=None)

    def __enter__(self) -> Progress:
        if self._bars:
            self._start(self._bars)
        else:  # a log wants no bars
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def stage(self, text: str) -> None:
        """Show a stage of unknown length."""
        if self._bars:
            self._start(self._bars)
            self._bars.reset(self._task, description=text, total=None)

    def _start(self, bars: Bars) -> None:
        bars.start()
        guard_stderr()

    def stop(self) -> None:
        """Draw nothing until the next stage, so that a question can be asked."""
        if self._bars:
            self._bars.stop()

    def note(self, text: str) -> None:
        """Print a line; on a terminal one that ends in "..." becomes a stage."""
        if self._bars and text.endswith(HUB):
            # Downloads draw bars of their own, which would mix with the spinner.
            self._bars.stop()
            self._bars.console.print(text, markup=False, soft_wrap=True)
        elif self._bars and text.endswith("..."):
            self.stage(text.removesuffix("...").rstrip())
        elif self._bars:
            self._bars.console.print(text, markup=False, soft_wrap=True)
        elif not self._silent:
            print(text, file=sys.stderr, flush=True)

    def work(self, phase: str, done: int, total: int) -> None:
        """Show `done` of `total` in a phase (an `OnProgress`)."""
        if self._bars is None:
            return
        if phase != self._phase:
            self._phase = phase
            self._bars.reset(self._task, description=PHASES.get(phase, phase), total=total)
        if done < total:
            self._bars.update(self._task, completed=done)
        else:
            self.stage("Measuring influence" if phase == "rows" else "Finishing")


class Bar(BarColumn):
    """A bar for work of known length, else nothing."""

    def __init__(self) -> None:
        super().__init__(bar_width=24, complete_style="cyan")

    def render(self, task: Task) -> Any:
        return Text() if task.total is None else super().render(task)


class TimeLeft(ProgressColumn):
    """`37 %, 3 s left`."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text()
        left = task.time_remaining
        rest = "" if left is None else f", {left:.0f} s left" if left < 100 else f", {left / 60:.0f} min left"
        return Text(f"{task.percentage:.0f} %{rest}")
