"""Where indexes lie when no file is named: in the data folder, or with clew itself."""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import secrets
import shutil
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import platformdirs

from clew.errors import ClewError
from clew.index.storage.metadata import read_about, write_about
from clew.index.storage.schema import changing, connect

SHIPPED = Path(__file__).parents[1] / "shipped"
"""Small indexes that come with clew, packed."""


def indexes_folder() -> Path:
    """The folder of all indexes; CLEW_INDEXES moves it. It need not exist."""
    named = os.environ.get("CLEW_INDEXES")
    return Path(named).expanduser() if named else platformdirs.user_data_path("clew") / "indexes"


def default_place(model: str, dictionary: str) -> Path:
    """Where the index of a model's features belongs, whether it is there or not."""
    return indexes_folder() / f"{_safe(model)}--{_safe(dictionary)}.sqlite3"


def find_index(model: str, dictionary: str, *, to_change: bool = False) -> Path | None:
    """The index of a model's features: the one in its usual place, else the small one that comes with clew.

    `to_change` asks for one that may be written: that of clew is then copied to the usual place.
    """
    place = default_place(model, dictionary)
    if place.is_file():
        return place
    small = _shipped(place.name)
    if small is None or not to_change:
        return small
    place.parent.mkdir(parents=True, exist_ok=True)
    copy = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    shutil.copyfile(small, copy)
    with closing(connect(copy, writable=True)) as connection, changing(connection):
        write_about(connection, replace(read_about(connection, copy), bundled=True))
    return copy.replace(place)


def _shipped(name: str) -> Path | None:
    """An index that comes with clew, unpacked where caches lie; None where there is none of this name."""
    packed = SHIPPED / f"{name}.xz"
    if not packed.is_file():
        return None
    content = packed.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    place = platformdirs.user_cache_path("clew") / "indexes" / f"{digest}-{name}"
    if not place.is_file():
        partial = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(lzma.decompress(content))
            partial.replace(place)
        except OSError:
            with suppress(OSError):
                partial.unlink()
            return None
    return place


def check_place(out: Path, *, resume: bool = False) -> None:
    """Raise `ClewError` where no index can be made, or begun before, under this name."""
    if out.is_dir():
        raise ClewError(f"{out} is a folder; name a file in it.")
    if out.exists() and not resume:
        raise ClewError(
            f"{out} is there already; add --resume to go on with it if it is unfinished, --replace to put a "
            "new one in its place (labels stay), or name another with --out."
        )


def _safe(name: str) -> str:
    """A name as part of a file's; what had to be changed is told apart by a few digits of its hash."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80] or "unnamed"
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
