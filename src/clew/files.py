"""Files and folders that appear whole or not at all, and errors about them as sentences."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clew.errors import ClewError


def write_file(path: str | Path, data: bytes) -> Path:
    """Write a file atomically and durably, and return its path.

    Raises `ClewError` for a path that is a folder or lies in no folder, and for a full disk.
    """
    path = Path(path)
    with replacing(path) as partial, partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """The path of an empty file to write to: it replaces `path` on success and is removed on failure.

    A file that existed before keeps its mode, owner and group, as far as this user may set them. Raises
    `ClewError` as `write_file` does. For a link, the file that it points to is replaced.
    """
    path = Path(path)
    if path.is_dir():
        raise ClewError(f"{path} is a folder; name a file in it.")
    destination = Path(os.path.realpath(path))
    partial = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            mode = 0o600 if destination.exists() else 0o666
            # A new file follows the umask, unlike `tempfile`; nobody else may read what an old one will hold.
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
            yield partial
            put_in_place(partial, destination)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


def check_writable(path: str | Path) -> None:
    """Raise `ClewError` if a file of this name cannot be saved; leaves nothing behind."""
    path = Path(path)
    if path.is_dir():
        raise ClewError(f"{path} is a folder; name a file in it.")
    destination = Path(os.path.realpath(path))
    try:
        # Only trying gives the right answer on every file system; the name is as long as in `replacing`.
        with tempfile.NamedTemporaryFile(
            dir=destination.parent, prefix=f".{destination.name}.", suffix=".part"
        ):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error


def check_new_folder(folder: str | Path) -> Path:
    """The path of a folder to write; raises `ClewError` if it is a file or a folder that is not empty."""
    target = named_path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ClewError(f"{target} already holds something; name a folder that is new or empty.")
    return target


@contextmanager
def new_folder(target: Path, advice: str = "choose another place") -> Iterator[Path]:
    """A temporary folder to write into: it becomes `target` on success and is removed on failure.

    Raises `ClewError`, with this advice, for a disk that is full or cannot be written.
    """
    partial = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        yield partial
        partial.chmod(0o777 & ~_umask())
        partial.rename(target)
    except OSError as error:
        raise cannot_write(target, error, advice) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def as_path(path: object) -> Path:
    """The path of a file that a caller names, with `~` as the home; `ClewError` for what is no path."""
    if not isinstance(path, str | os.PathLike):
        raise ClewError(f"{path!r} is not the name of a file; pass a text or a Path.")
    return named_path(path)


def named_path(name: str | os.PathLike[str]) -> Path:
    """A path with `~` as the home; `ClewError` for a name that no file can have."""
    if "\0" in str(name):
        raise ClewError(f"{str(name)!r} holds a zero byte, which no file's name can hold; correct it.")
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        user = str(name).split("/")[0]
        raise ClewError(f"{name} cannot be found: no user here has the home {user}; correct it.") from error


def absolute_if_there(name: str | os.PathLike[str]) -> str:
    """The absolute path of a file or folder that exists; another text as it is."""
    try:
        path = named_path(name)
        return str(path.absolute()) if str(name) and path.exists() else str(name)
    except (ClewError, OSError, TypeError, ValueError):  # no name at all is refused where it is read
        return str(name)


def kind_of_file(path: Path) -> str:
    """The kind of a file by its first bytes, such as `a graph`; "" for one that is none of these."""
    if path.is_dir():
        return "a folder"
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"SQLite format 3\0"):
        return "an SQLite database"
    if start[4:8] == bytes(4) and start[8:9] == b"{":  # safetensors: the header's length, then its JSON
        return "a graph" if path.suffix.lower() == ".clew" else "a safetensors file"
    return "a GGUF file" if start.startswith(b"GGUF") else ""


def cannot_read(path: str | Path, error: Exception) -> ClewError:
    """A `ClewError` for a file that cannot be read, which says what to do."""
    if isinstance(error, FileNotFoundError):
        return ClewError(f"There is no file {path}; check its name and folder.")
    reason = getattr(error, "strerror", None) or error
    return ClewError(f"{path} cannot be read: {reason}; check the name and the permissions.")


def cannot_write(path: Path, error: OSError, advice: str = "choose another place") -> ClewError:
    """A `ClewError` for a file that cannot be written, which says what to do."""
    if isinstance(error, FileNotFoundError):
        return ClewError(f"{path} cannot be written: there is no folder {path.parent}; make it first.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = f"make room there, or {advice}"
    return ClewError(f"{path} cannot be written: {error.strerror or error}; {advice}.")


def put_in_place(path: Path, destination: Path) -> None:
    """Move a file to where another may lie, whose mode, owner and group it takes as far as this user may."""
    if destination.exists():
        _take_over(path, destination.stat())
    path.replace(destination)


def _take_over(path: Path, before: os.stat_result) -> None:
    mode, now = stat.S_IMODE(before.st_mode), path.stat()
    if hasattr(os, "chown") and (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
        try:
            os.chown(path, before.st_uid, before.st_gid)
        except PermissionError:
            try:
                os.chown(path, -1, before.st_gid)
            except PermissionError:
                mode &= ~stat.S_IRWXG  # what one group might do, another may not
    path.chmod(mode)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
