"""Facts about files that change with their content, by which a change on disk is noticed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, int, int, int]
"""Size, times of the last change of content and of status, inode. No program can set the second time back."""
FileStamps: TypeAlias = tuple[tuple[Path, Stamp | None], ...]
"""Files with their stamps; None for one that is not there."""


def file_stamp(status: os.stat_result) -> Stamp:
    """The stamp of a file."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def stamps_of(paths: Iterable[Path]) -> FileStamps:
    """The stamps that files have now, by absolute path."""
    return tuple((path.absolute(), _stamp_now(path)) for path in paths)


def changed_since(stamps: FileStamps) -> bool:
    """True if a file is gone, or another one now than when its stamp was taken."""
    return any(_stamp_now(path) != stamp for path, stamp in stamps)


def _stamp_now(path: Path) -> Stamp | None:
    try:
        return file_stamp(path.stat())
    except OSError:
        return None
