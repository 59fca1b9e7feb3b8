"""The state of a run on disk, whole or not at all."""

from __future__ import annotations

import os
from io import BufferedWriter
from pathlib import Path
from typing import Any

import torch

from clew.errors import ClewError
from clew.files import replacing
from clew.model.library_calls import library_call

FILE = "checkpoint.pt"


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write a run's state; the last one stays until this one is whole.

    Raises `ClewError` for a disk that is full or cannot be written.
    """
    with replacing(folder / FILE) as partial, partial.open("wb") as file:
        writing = _Writing(file)
        try:
            torch.save(state, writing)  # type: ignore[arg-type]
        except RuntimeError:
            if writing.error is not None:  # torch hides it
                raise writing.error from None
            raise
        file.flush()
        os.fsync(file.fileno())


class _Writing:
    """A file that remembers why it could not be written."""

    def __init__(self, file: BufferedWriter) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """The state that a run in this folder left.

    Raises `ClewError` if there is none, or if it is damaged.
    """
    path = folder / FILE
    if not path.exists():
        raise ClewError(f"{folder} holds no unfinished run; start it without resuming.")
    with library_call(lambda reason: f"{path} is damaged: {reason}; begin the run anew in another folder."):
        return torch.load(path, map_location="cpu", weights_only=True)
