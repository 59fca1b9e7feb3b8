"""The log of a run: a line of JSON for some steps, and TensorBoard's event files where they are wanted."""

from __future__ import annotations

import json
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from clew.errors import ClewError
from clew.files import cannot_write, write_file
from clew.training.run import StepFigures

FILE = "log.jsonl"
LINES = 1000
"""Lines of a stage at most, spread evenly over its steps."""


def check_tensorboard() -> None:
    """Raise `ClewError` where the package that writes event files is missing."""
    if find_spec("tensorboardX") is None:
        raise ClewError(
            "Event files of TensorBoard need the package tensorboardX: pip install tensorboardX, or leave "
            "out tensorboard; log.jsonl holds the same figures."
        )


class Log:
    """An open log. A run that goes on drops the lines of steps that it will take again."""

    def __init__(self, folder: Path, done: int, *, tensorboard: bool = False) -> None:
        """Open the log of a run that has taken so many steps."""
        self._path = folder / FILE
        kept = [line for line in _lines(self._path) if _step_of(line) <= done]
        write_file(self._path, "".join(f"{line}\n" for line in kept).encode())
        self._file = self._path.open("a", encoding="utf-8")
        self._writer: Any = None
        if tensorboard:
            from tensorboardX import SummaryWriter  # type: ignore[import-not-found]

            self._writer = SummaryWriter(str(folder), purge_step=done + 1 if done else None)

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._writer is not None:
            self._writer.close()

    def write(self, step: int, figures: StepFigures) -> None:
        """Note the figures of a step, if it is one of those that are noted.

        Args:
            step: The number of the step in the whole run, from 1.
            figures: Its figures.
        """
        if figures.step % max(1, figures.n_steps // LINES) and figures.step != figures.n_steps:
            return
        line: dict[str, Any] = {
            "step": step,
            "time": round(time.time(), 3),
            "stage": figures.stage,
            "tokens": figures.tokens,
        }
        for name in ("fvu", "l0", "dead"):
            by_layer = getattr(figures, name)
            if by_layer is not None:
                line[name] = [round(value, 5) for value in by_layer.tolist()]
        if figures.kl is not None:
            line["kl"] = round(figures.kl, 5)
        try:
            print(json.dumps(line), file=self._file, flush=True)
        except OSError as error:
            raise cannot_write(self._path, error) from error
        if self._writer is not None:
            self._write_events(step, figures.stage, line)

    def _write_events(self, step: int, stage: str, line: dict[str, Any]) -> None:
        for name, value in line.items():
            if isinstance(value, list):
                self._writer.add_scalar(f"{stage}/{name}", sum(value) / len(value), step)
                for place, of_layer in enumerate(value):
                    self._writer.add_scalar(f"{name}_by_layer/{place:03d}", of_layer, step)
        if "kl" in line:
            self._writer.add_scalar(f"{stage}/kl", line["kl"], step)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _step_of(line: str) -> float:
    """The step of a line; one that was cut short by a kill is dropped, as if it came after all others."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError):
        return float("inf")
