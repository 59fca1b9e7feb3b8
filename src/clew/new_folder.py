"""Folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clew.errors import ClewError


def check_new(folder: str | Path) -> Path:
    """Where a folder would be written; raises `ClewError` for one that holds something, or is none."""
    target = Path(folder).expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ClewError(f"{target} already holds something: give a folder that is new or empty.")
    return target


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `target` when all went well, and is gone otherwise.

    Raises `ClewError` for a disk that is full or cannot be written.
    """
    partial = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        yield partial
        partial.chmod(0o777 & ~_umask())
        partial.rename(target)
    except OSError as error:
        advice = "make room there" if error.errno == errno.ENOSPC else "give a folder that can be written"
        raise ClewError(f"{target} cannot be written ({error.strerror or error}): {advice}.") from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
