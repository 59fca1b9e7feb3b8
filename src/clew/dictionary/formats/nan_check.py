"""The check of weight files for NaN and infinity; clew reads a file once and remembers the result."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import numpy as np

from clew.dictionary.formats.array_file import FLOATS, ArrayFile
from clew.errors import ClewError
from clew.files import write_file
from clew.model.cache import checked_folder
from clew.progress import OnNote

PIECE = 16 * 1024**2
LARGE = 1024**3
"""The size in bytes from which a note says that the check takes long."""
EXPONENT = {"BF16": np.uint16(0x7F80), "F16": np.uint16(0x7C00), "<f2": np.uint16(0x7C00)}
"""The bits that are all set in infinities and NaNs of 16 bits; numpy's own test is slower."""


def check_finite(file: ArrayFile, note: OnNote) -> None:
    """Raise `ClewError` for a float array with NaN or infinity.

    clew's cache keeps the result under the file's path, size and time stamp, so that the file is not read at
    every start.
    """
    result = checked_folder() / _key(file.path)
    try:
        bad = result.read_text()
    except OSError:
        size = file.path.stat().st_size
        if size >= LARGE:
            note(f"Checking {file.path.name} ({size / 1e9:.1f} GB) for damage, once ...")
        bad = next((name for name in file.entries if not _is_finite(file, name)), "")
        with contextlib.suppress(OSError, ClewError):  # without a cache, the next start checks again
            result.parent.mkdir(parents=True, exist_ok=True)
            write_file(result, bad.encode())
    if bad:
        raise ClewError(f"{file.path} is damaged: {bad} holds NaN or infinity; fetch it again.")


def _key(path: Path) -> str:
    status = path.stat()
    identity = f"{path.resolve()};{status.st_size};{status.st_mtime_ns}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


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
