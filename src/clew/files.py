"""Files and folders that appear whole or not at all, and errors about them as sentences."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clew.errors import ClewError


def write_file(path: str | Path, data: bytes) -> Path:
    """Write a file atomically and durably; returns where it lies.

    Raises `ClewError` for a folder of this name, a folder that does not exist, and a disk that is full.
    """
    path = Path(path)
    with replacing(path) as partial, partial.open("xb") as file:  # unlike `tempfile`, this follows the umask
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place when all went well and is gone otherwise.

    Raises `ClewError` as `write_file` does. A link is followed: what it points to is replaced.
    """
    path = Path(path)
    if path.is_dir():
        raise ClewError(f"{path} is a folder; name a file in it.")
    destination = Path(os.path.realpath(path))
    partial = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            yield partial
            partial.replace(destination)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def check_writable(path: str | Path) -> None:
    """Raise `ClewError` where a file of this name could not be saved; leaves nothing behind."""
    path = Path(path)
    if path.is_dir():
        raise ClewError(f"{path} is a folder; name a file in it.")
    destination = Path(os.path.realpath(path))
    try:
        # Trying is the only answer that holds on every file system; the name is as long as save's own.
        with tempfile.NamedTemporaryFile(
            dir=destination.parent, prefix=f".{destination.name}.", suffix=".part"
        ):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error


def check_new_folder(folder: str | Path) -> Path:
    """The folder to be written; raises `ClewError` where it is a file, or already holds something."""
    target = Path(folder).expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ClewError(f"{target} already holds something; name a folder that is new or empty.")
    return target


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `target` when all went well and is gone otherwise.

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
        raise cannot_write(target, error) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def cannot_write(path: Path, error: OSError) -> ClewError:
    """An operating system's error about a file as a sentence that says what to do."""
    if isinstance(error, FileNotFoundError):
        return ClewError(f"{path} cannot be written: there is no folder {path.parent}; make it first.")
    advice = "make room there" if error.errno == errno.ENOSPC else "choose another place"
    return ClewError(f"{path} cannot be written: {error.strerror or error}; {advice}.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
