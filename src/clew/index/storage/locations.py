"""Locations of indexes: in the user's data folder, or among those that come with clew."""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import platformdirs

from clew.errors import ClewError
from clew.file_lock import changing
from clew.files import named_path, replacing, write_file
from clew.index.storage.metadata import read_metadata, write_metadata
from clew.index.storage.schema import connect
from clew.sqlite import transaction

SHIPPED = Path(__file__).parents[1] / "shipped"
"""Small indexes that come with clew, packed."""


def indexes_folder() -> Path:
    """The folder of all indexes, which need not exist; the variable CLEW_INDEXES moves it."""
    named = os.environ.get("CLEW_INDEXES")
    return named_path(named) if named else platformdirs.user_data_path("clew") / "indexes"


def default_location(model: str, dictionary: str) -> Path:
    """The usual place of the index of a model's features, whether it exists or not."""
    return indexes_folder() / f"{_file_name(model)}--{_file_name(dictionary)}.sqlite3"


def find_index(model: str, dictionary: str, *, to_change: bool = False) -> Path | None:
    """The index of a model's features: the one in its usual place, else the small one that comes with clew.

    With `to_change` the file may be written: the one that comes with clew is copied to the usual place first.
    """
    location = default_location(model, dictionary)
    if location.is_file():
        return location
    small = _unpacked(location.name)
    if small is None or not to_change:
        return small
    location.parent.mkdir(parents=True, exist_ok=True)
    with changing(location):
        if not location.is_file():  # another process may have been first, and may have labelled it since
            _copy_to_change(small, location)
    return location


def _copy_to_change(small: Path, location: Path) -> None:
    with replacing(location) as copy:
        shutil.copyfile(small, copy)
        with closing(connect(copy, writable=True)) as connection, transaction(connection):
            write_metadata(connection, replace(read_metadata(connection, copy), bundled=True))


def comes_with_clew(path: Path) -> bool:
    """True for an unpacked index that comes with clew, in its place in the cache folder."""
    return path.parent == _unpacked_folder()


def _unpacked_folder() -> Path:
    return platformdirs.user_cache_path("clew") / "indexes"


def _unpacked(name: str) -> Path | None:
    """An index that comes with clew, unpacked into the cache folder; None where there is none."""
    packed = SHIPPED / f"{name}.xz"
    if not packed.is_file():
        return None
    content = packed.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    unpacked = _unpacked_folder() / f"{digest}-{name}"
    if not unpacked.is_file():
        try:
            unpacked.parent.mkdir(parents=True, exist_ok=True)
            write_file(unpacked, lzma.decompress(content))
        except (OSError, ClewError):
            return None
    return unpacked


def check_location(out: Path, *, resume: bool = False) -> None:
    """Raise `ClewError` where no index can be made, or resumed, under this name."""
    if out.is_dir():
        raise ClewError(f"{out} is a folder; name a file in it.")
    if out.exists() and not resume:
        raise ClewError(
            f"{out} exists already. Add --resume to finish it, --replace to put a new index in its place "
            "(labels stay), or name another file with --out."
        )


def _file_name(name: str) -> str:
    """A name as part of a file name; a few digits of its hash tell changed names apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80] or "unnamed"
    return (
        plain
        if plain == name
        else f"{plain}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
    )
