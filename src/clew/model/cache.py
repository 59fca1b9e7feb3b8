"""clew's cache: converted models, measured sinks, and the results of checking weight files for damage."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from clew.errors import ClewError
from clew.files import cannot_read, named_path, write_file

CONVERSION_VERSION = 3
"""The version of a conversion's output; raise it when that changes, so that older folders are not used."""

SETTLED_SECONDS = 2
"""The age from which a change of a file shows in its times, which go in steps of 2 seconds on some disks."""
READ = ("*.safetensors", "*.json", "*.model", "*.txt", "*.jinja")
"""Patterns of the files of a model folder: weights, configuration and tokenizer; no pickled weights."""
SAMPLES = 64
SAMPLE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Conversion:
    """One converted model in the cache; `name` is a model's short name or a GGUF file's name."""

    name: str
    version: int
    folder: Path

    @property
    def current(self) -> bool:
        """False for what another version of clew converted, which is used nowhere."""
        return self.version == CONVERSION_VERSION


def models_folder() -> Path:
    """The folder of all converted models, which may not exist yet; CLEW_CACHE moves its parent."""
    return _cache_root() / "models"


def checked_folder() -> Path:
    """The folder of results of damage checks, which may not exist yet."""
    return _cache_root() / "checked"


def sinks_folder() -> Path:
    """The folder of measured sinks, which may not exist yet."""
    return _cache_root() / "sinks"


def _cache_root() -> Path:
    root = os.environ.get("CLEW_CACHE")
    return named_path(root) if root else platformdirs.user_cache_path("clew")


def conversion_folder(name: str, parts: Sequence[Path]) -> Path:
    """The folder for the conversion of these files; it may not exist yet."""
    return models_folder() / f"{name}-{CONVERSION_VERSION}-{content_key(parts)}"


def conversions() -> list[Conversion]:
    """All complete conversions in the cache, the newest first."""
    folder = models_folder()
    if not folder.is_dir():
        return []
    complete = [
        Conversion(match[1], int(match[2]), path)
        for path in folder.iterdir()
        if (match := re.fullmatch(r"([^.].*)-(\d+)-[0-9a-f]{12}", path.name)) and is_complete(path)
    ]
    return sorted(complete, key=lambda conversion: conversion.folder.stat().st_mtime, reverse=True)


def conversion_at(folder: Path) -> Conversion | None:
    """The conversion in the cache at a path, if it is one."""
    path = folder.resolve()
    return next((each for each in conversions() if each.folder.resolve() == path), None)


def is_complete(folder: Path) -> bool:
    """True for a finished conversion: a folder gets its final name only when all of it is written."""
    return (folder / "config.json").is_file()


def content_key(parts: Sequence[Path]) -> str:
    """Twelve hex digits of all bytes of a GGUF (in one or more parts).

    The time stamp does not count, because a wheel that is installed again has the same bytes.
    """
    return hashlib.sha256(";".join(map(file_digest, parts)).encode()).hexdigest()[:12]


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, kept in clew's cache for as long as the file does not change."""

    def read() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return kept_text(path, "", read)


def kept_text(path: Path, kind: str, make: Callable[[], str]) -> str:
    """A text that follows from a file's bytes, kept in clew's cache for as long as the file does not change.

    A program may set the time of the last change back, but not that of the last change of the status. A file
    that changed a moment ago may change again without either time moving on, so its digest is not kept.
    """
    try:
        before = path.stat()
        times = f"{before.st_mtime_ns};{before.st_ctime_ns};{before.st_ino};{before.st_size}"
        identity = hashlib.sha256(f"{path.resolve()};{times};{kind}".encode()).hexdigest()
        kept = _cache_root() / "digests" / identity[:32]
        with contextlib.suppress(OSError, ValueError):
            text, mark = kept.read_text().rsplit("\n", 1)  # what is damaged is made anew
            if mark == _mark(text):
                return text
        found = make()
        after = path.stat()
    except OSError as error:
        raise cannot_read(path, error) from error
    unchanged = (before.st_mtime_ns, before.st_ctime_ns) == (after.st_mtime_ns, after.st_ctime_ns)
    if unchanged and time.time() - max(after.st_mtime, after.st_ctime) > SETTLED_SECONDS:
        with contextlib.suppress(OSError, ClewError):  # without a cache, the next start reads it again
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_file(kept, f"{found}\n{_mark(found)}".encode())
    return found


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def sampled_key(path: Path) -> str:
    """Twelve hex digits of a file's size and of 64 blocks spread evenly over it.

    Head and tail alone would not do, because a fine-tune of a few matrices changes neither.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(f"{size};".encode())
            for start in _sample_starts(size):
                file.seek(start)
                digest.update(file.read(SAMPLE_BYTES))
    except OSError as error:
        raise cannot_read(path, error) from error
    return digest.hexdigest()[:12]


def files_of(folder: Path) -> list[Path]:
    """The files of a model folder that loading it may read: weights, configuration, tokenizer."""
    return [path.absolute() for pattern in READ for path in sorted(folder.glob(pattern))]


def _sample_starts(size: int) -> list[int]:
    """Offsets of the sampled blocks; they cover a file that is no larger than all samples together."""
    if size <= SAMPLES * SAMPLE_BYTES:
        return list(range(0, size, SAMPLE_BYTES))
    return [(size - SAMPLE_BYTES) * sample // (SAMPLES - 1) for sample in range(SAMPLES)]


def size_on_disk(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
