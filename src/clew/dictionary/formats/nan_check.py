"""Whether every number in a file is finite: read once in small pieces, and remembered."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from clew.dictionary.formats.array_file import FLOATS, ArrayFile
from clew.errors import ClewError
from clew.model.cache import checked_folder

PIECE = 16 * 1024**2
LARGE = 1024**3
"""Bytes from which a reading takes long enough to be announced."""
EXPONENT = {"BF16": np.uint16(0x7F80), "F16": np.uint16(0x7C00), "<f2": np.uint16(0x7C00)}
"""The bits that are all set in infinities and NaNs of half the width, which numpy cannot test as fast."""


def check_finite(file: ArrayFile, note: Callable[[str], None]) -> None:
    """Raises ClewError where a float array of the file holds NaN or infinity.

    The verdict is kept in clew's cache under the file's path, size and time stamp, so that the file is
    read once and not at every start.
    """
    verdict = checked_folder() / _key(file.path)
    try:
        bad = verdict.read_text()
    except OSError:
        size = file.path.stat().st_size
        if size >= LARGE:
            note(f"Checking {file.path.name} ({size / 1e9:.1f} GB) for damage, once ...")
        bad = next((name for name in file.entries if not _is_finite(file, name)), "")
        _remember(verdict, bad)
    if bad:
        raise ClewError(
            f"{file.path} holds numbers in {bad} that are not finite (NaN or infinity): it is damaged; "
            "fetch it again."
        )


def _key(path: Path) -> str:
    status = path.stat()
    told_apart = f"{path.resolve()};{status.st_size};{status.st_mtime_ns}"
    return hashlib.sha256(told_apart.encode()).hexdigest()[:32]


def _is_finite(file: ArrayFile, name: str) -> bool:
    kind = file.entries[name].kind
    if kind not in FLOATS:
        return True
    return all(_piece_is_finite(piece, kind) for piece in file.pieces(name, PIECE))


def _piece_is_finite(piece: bytes, kind: str) -> bool:
    mask = EXPONENT.get(kind)
    if mask is None:
        return bool(np.isfinite(np.frombuffer(piece, "<f4")).all())
    return bool(((np.frombuffer(piece, "<u2") & mask) != mask).all())


def _remember(verdict: Path, bad: str) -> None:
    partial = verdict.with_name(f"{verdict.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, nothing else
        verdict.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(bad)
        partial.replace(verdict)
