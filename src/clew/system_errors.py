"""Errors of the system, SQLite and libraries as sentences: what cannot be used, why, and what to do."""

from __future__ import annotations

import errno
import sqlite3

from clew.plain_text import one_line

DATABASE_REASONS: dict[str, tuple[str, str]] = {
    "SQLITE_READONLY": ("it, or its folder, is read-only", "make both writable, or choose another place"),
    "SQLITE_FULL": ("the disk is full", "make room on it"),
    "SQLITE_BUSY": ("another program is using it", "stop that one, or try again later"),
    "SQLITE_LOCKED": ("another program is using it", "stop that one, or try again later"),
    "SQLITE_CORRUPT": ("it is damaged", ""),
    "SQLITE_NOTADB": ("it is not an SQLite database", ""),
    "SQLITE_CANTOPEN": (
        "it cannot be opened or made there",
        "check that its folder exists and is writable, and its permissions",
    ),
    "SQLITE_IOERR": ("the disk or its folder cannot be read or written", "check both"),
    "SQLITE_PERM": ("its permissions forbid that", "change them, or choose another place"),
}
"""Reasons why a database cannot be used, each with advice, by the beginning of SQLite's name of the error."""

FILE_ADVICE: dict[int, str] = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room on that disk",
    errno.EROFS: "make its folder writable, or choose another place",
    errno.EACCES: "check its permissions and those of its folder",
    errno.EPERM: "check its permissions and those of its folder",
    errno.ENOENT: "it may have been moved or removed; check its name and folder",
    errno.EISDIR: "name a file in it",
    errno.ENOTDIR: "check its name and folder",
    errno.EMFILE: "close other programs, or raise the limit of open files (ulimit -n)",
    errno.ENOMEM: "close other programs",
    errno.ENAMETOOLONG: "choose a shorter name",
}
OUT_OF_MEMORY = (
    "There is not enough memory; close other programs, trace fewer features (--max-nodes), or choose a "
    "smaller model."
)


def database_reason(error: sqlite3.Error) -> tuple[str, str]:
    """The reason of SQLite's error in words, and advice; no advice for a damaged file or another reason."""
    name = getattr(error, "sqlite_errorname", None) or ""
    known = (reason for start, reason in DATABASE_REASONS.items() if name.startswith(start))
    return next(known, (f"{error}", ""))


def database_sentence(
    subject: str, error: sqlite3.Error, if_damaged: str = "copy it again, or make it anew"
) -> str:
    """A sentence about a database that cannot be used; it begins with the `subject`, such as its path."""
    reason, advice = database_reason(error)
    return f"{subject} cannot be used: {reason}; {advice or if_damaged}."


def system_sentence(error: BaseException) -> str | None:
    """A sentence about an error that the machine or a file is at fault for, not clew; None for any other."""
    if type(error).__name__ == "PanicException":  # of a library in Rust; it is not an `Exception`
        return f"A library panicked ({one_line(str(error))}); fetch the files of the model again."
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's own
        return OUT_OF_MEMORY
    if isinstance(error, sqlite3.Error):
        known = str(error) != database_reason(error)[0]
        return database_sentence("A database", error) if known else None
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        advice = FILE_ADVICE.get(error.errno, "check the file, its folder and the disk")
        return f"{_shown(error.filename)} cannot be used: {error.strerror}; {advice}."
    if isinstance(error, OSError) and error.errno in FILE_ADVICE:
        return f"A file cannot be used: {error.strerror}; {FILE_ADVICE[error.errno]}."
    return None


def _shown(name: object) -> str:
    return name.decode(errors="backslashreplace") if isinstance(name, bytes) else str(name)
