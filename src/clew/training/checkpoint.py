"""The state of a run on disk, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from clew.errors import ClewError
from clew.files import replacing
from clew.model.library_calls import library_call

FILE = "checkpoint.pt"


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write a run's state; the last one stays until this one is whole."""
    with replacing(folder / FILE) as partial:
        torch.save(state, partial)


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """The state that a run in this folder left.

    Raises `ClewError` if there is none, or if it is damaged.
    """
    path = folder / FILE
    if not path.exists():
        raise ClewError(f"{folder} holds no unfinished run; start it without resuming.")
    with library_call(lambda reason: f"{path} cannot be read: {reason}; start the run again."):
        return torch.load(path, map_location="cpu", weights_only=True)
