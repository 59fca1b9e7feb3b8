"""One lock for everything that reads a file, changes it and writes it anew, in whatever process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout, lock_descriptor

from clew.errors import ClewError
from clew.files import cannot_write

SECONDS_TO_WAIT = 30.0
"""For another process that changes a file in the same folder."""
SECONDS_BETWEEN_TRIES = 0.02


@contextmanager
def changing(path: str | Path) -> Iterator[None]:
    """Hold the lock of a file from before it is read until after it is written anew.

    ```python
    with changing("paris.clew"):
        open_graph("paris.clew").annotate(pins=["L24/1005@5"]).save("paris.clew")
    ```

    The lock is that of the file's folder, so it outlasts the file, leaves nothing behind, and ends with its
    process. Files in one folder must not be locked within each other. Raises `ClewError` where another
    process holds it for long, or the folder cannot be used.
    """
    destination = Path(os.path.realpath(path))
    try:
        folder = os.open(destination.parent, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        yield  # reading and writing there have their own sentences
        return
    except OSError as error:
        raise cannot_write(destination, error) from error
    try:
        if not _locked_by_descriptor(folder, destination):
            with _lock_file(destination):
                yield
            return
        yield
    finally:
        os.close(folder)


def _locked_by_descriptor(folder: int, destination: Path) -> bool:
    """Wait for the lock of an open folder; False on a file system that locks only files, as NFS."""
    deadline = time.monotonic() + SECONDS_TO_WAIT
    try:
        while not lock_descriptor(folder, blocking=False):
            if time.monotonic() > deadline:
                raise _busy(destination)
            time.sleep(SECONDS_BETWEEN_TRIES)
    except OSError:
        return False
    return True


@contextmanager
def _lock_file(destination: Path) -> Iterator[None]:
    lock = FileLock(destination.parent / ".clew.lock")
    try:
        lock.acquire(timeout=SECONDS_TO_WAIT)
    except Timeout:
        raise _busy(destination) from None
    except OSError as error:
        raise cannot_write(destination, error) from error
    try:
        yield
    finally:
        lock.release()


def _busy(destination: Path) -> ClewError:
    return ClewError(
        f"Another clew has been changing a file in {destination.parent} for {SECONDS_TO_WAIT:.0f} s; wait "
        "until it is done, or stop it."
    )
