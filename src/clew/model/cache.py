"""Where clew keeps what took long: converted models, and which weight files were found sound."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from clew.errors import ClewError

CONVERSION_VERSION = 1
"""Goes up whenever the conversion writes something else, so that older results are left alone."""

SAMPLES = 64
SAMPLE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Conversion:
    """One converted model in the cache; `name` is a known model's name or a GGUF file's."""

    name: str
    version: int
    folder: Path


def models_folder() -> Path:
    """The folder of all converted models; CLEW_CACHE moves its parent. It need not exist."""
    return _cache_root() / "models"


def checked_folder() -> Path:
    """Where verdicts on weight files lie that were read in search of damage. It need not exist."""
    return _cache_root() / "checked"


def _cache_root() -> Path:
    root = os.environ.get("CLEW_CACHE")
    return Path(root).expanduser() if root else platformdirs.user_cache_path("clew")


def conversion_folder(name: str, parts: Sequence[Path]) -> Path:
    """Where the conversion of these files belongs, whether it is there or not."""
    return models_folder() / f"{name}-{CONVERSION_VERSION}-{content_key(parts)}"


def conversions() -> list[Conversion]:
    """Every whole conversion in the cache, the newest first."""
    folder = models_folder()
    if not folder.is_dir():
        return []
    found = [
        Conversion(match[1], int(match[2]), path)
        for path in folder.iterdir()
        if (match := re.fullmatch(r"([^.].*)-(\d+)-[0-9a-f]{12}", path.name)) and is_whole(path)
    ]
    return sorted(found, key=lambda conversion: conversion.folder.stat().st_mtime, reverse=True)


def is_whole(folder: Path) -> bool:
    """Whether a conversion is there: a folder gets its final name only when all of it is written."""
    return (folder / "config.json").is_file()


def content_key(parts: Sequence[Path]) -> str:
    """Twelve hex digits that tell one GGUF (in one or more parts) from another without reading all of it.

    Hashes the size and 64 blocks spread evenly over each part. Not the time stamp: a wheel that is installed
    again has the same bytes. Not head and tail alone: a fine-tune of a few matrices changes neither.
    """
    digest = hashlib.sha256()
    for part in parts:
        try:
            with part.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                digest.update(f"{size};".encode())
                for start in _sample_starts(size):
                    file.seek(start)
                    digest.update(file.read(SAMPLE_BYTES))
        except OSError as error:
            raise ClewError(f"{part} cannot be read ({error.strerror or error}).") from error
    return digest.hexdigest()[:12]


def _sample_starts(size: int) -> list[int]:
    """Where the sampled blocks begin; a file no larger than all samples together is covered whole."""
    if size <= SAMPLES * SAMPLE_BYTES:
        return list(range(0, size, SAMPLE_BYTES))
    return [(size - SAMPLE_BYTES) * sample // (SAMPLES - 1) for sample in range(SAMPLES)]


def size_on_disk(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
