"""Text that a model has written, kept in a file, so that a run that goes on reads the same text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jaxtyping import Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from clew.files import replacing


def kept_text(
    path: Path, facts: dict[str, str], write: Callable[[], Int[Tensor, "text position"]]
) -> Int[Tensor, "text position"]:
    """The texts of a file that was made from the same facts, or newly written ones, which it then holds.

    Raises `ClewError` where the file cannot be written.
    """
    if path.exists() and (texts := _read(path, facts)) is not None:
        return texts
    texts = write()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        save_file({"texts": texts}, partial, metadata=facts)
    return texts


def _read(path: Path, facts: dict[str, str]) -> Int[Tensor, "text position"] | None:
    """The texts of a file; None for those of other facts, and for a file that is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.get_tensor("texts") if file.metadata() == facts else None
    except SafetensorError:
        return None
