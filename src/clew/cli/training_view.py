"""The figures of a training run while it goes on: a live table on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from clew.cli.console import VisibleConsole
from clew.cli.output import guard_stderr
from clew.cli.progress import Progress

if TYPE_CHECKING:
    from clew.training.run import StepFigures

STAGES = {"local": "1 of 2, each layer by itself", "end-to-end": "2 of 2, all layers end to end"}
SECONDS_BETWEEN_LOOKS, SECONDS_BETWEEN_LINES = 0.5, 30.0
"""Pause between two tables, and between two lines in a log."""
CELL = 26
"""Characters of a layer's figures."""


class TrainingView:
    """A listener to figures and notes of a run."""

    def __init__(self, progress: Progress, layers: Sequence[int] = ()) -> None:
        """Show notes by `progress` before the first step; `layers` are the numbers to name layers by."""
        self._progress, self._layers = progress, layers
        console = VisibleConsole(stderr=True)
        self._live = None
        if sys.stderr.isatty() and not console.is_dumb_terminal:
            self._live = Live(console=console, auto_refresh=False, redirect_stdout=False)
        self._shown = 0.0
        self._stage, self._begun = "", (0.0, 0, 0)

    def __enter__(self) -> TrainingView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def note(self, text: str) -> None:
        """Print a sentence above the table; one that ends in "..." ends the table."""
        if self._live is None or not self._live.is_started:
            self._progress.note(text)
        elif text.endswith("..."):
            self._stop()
            self._progress.note(text)
        else:
            self._live.console.print(text, markup=False, soft_wrap=True)

    def figures(self, figures: StepFigures) -> None:
        """Show the figures of a step, unless others have just been shown (an `OnFigures`)."""
        now, last = time.monotonic(), figures.step == figures.n_steps
        if figures.stage != self._stage:
            self._stage, self._begun, self._shown = figures.stage, (now, figures.step, figures.tokens), now
            if self._live is None:
                return
        pause = SECONDS_BETWEEN_LINES if self._live is None else SECONDS_BETWEEN_LOOKS
        if now - self._shown < pause and not last:
            return
        self._shown = now
        line = self._line(figures, now)
        if self._live is None:
            print(line, file=sys.stderr, flush=True)
            return
        if not self._live.is_started:
            self._progress.stop()
            self._live.start()
            guard_stderr()
        rows = table_of_layers(figures, self._layers, self._live.console.width)
        self._live.update(Group(Text(line), *map(Text, rows)), refresh=True)

    def _line(self, figures: StepFigures, now: float) -> str:
        """`1 of 2, each layer by itself: step 120 of 6,103, ...`."""
        from clew.training.plan import duration

        begin, first_step, first_tokens = self._begun
        words = [
            f"{STAGES[figures.stage]}: step {figures.step:,} of {figures.n_steps:,}",
            f"FVU {float(figures.fvu.mean()):.3f}",
            f"L0 {float(figures.l0.mean()):.1f}",
        ]
        if figures.dead is not None:
            words.append(f"dead {float(figures.dead.mean()):.1%}")
        if figures.kl is not None:
            words.append(f"KL {figures.kl:.3f}")
        if figures.step > first_step and now > begin:
            seconds = (now - begin) / (figures.step - first_step)
            words.append(f"{(figures.tokens - first_tokens) / (now - begin):,.0f} tokens/s")
            words.append(f"{duration(seconds * (figures.n_steps - figures.step))} left")
        return ", ".join(words)

    def _stop(self) -> None:
        if self._live is not None and self._live.is_started:
            self._live.stop()


def table_of_layers(figures: StepFigures, layers: Sequence[int], width: int) -> list[str]:
    """Lines of figures by layer, several layers side by side as the width allows."""
    n = len(figures.fvu)
    names = layers or range(n)
    dead = [""] * n if figures.dead is None else [f"{share:.0%}" for share in figures.dead.tolist()]
    cells = [
        f"{'L' + str(name):>4}{fvu:6.2f}{l0:8.1f}{share:>6}"
        for name, fvu, l0, share in zip(names, figures.fvu.tolist(), figures.l0.tolist(), dead, strict=True)
    ]
    side_by_side = max(1, min(width // CELL, -(-n // 5)))
    n_rows = -(-n // side_by_side)
    head = f"{'':4}{'FVU':>6}{'L0':>8}{'dead' if figures.dead is not None else '':>6}"
    rows = ["".join(f"{cell:<{CELL}}" for cell in cells[row::n_rows]) for row in range(n_rows)]
    return [line.rstrip() for line in (f"{head:<{CELL}}" * len(cells[0::n_rows]), *rows)]
