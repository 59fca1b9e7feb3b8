"""Where indexes lie when no file is named."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import platformdirs

from clew.errors import ClewError


def indexes_folder() -> Path:
    """The folder of all indexes; CLEW_INDEXES moves it. It need not exist."""
    named = os.environ.get("CLEW_INDEXES")
    return Path(named).expanduser() if named else platformdirs.user_data_path("clew") / "indexes"


def default_place(model: str, dictionary: str) -> Path:
    """Where the index of a model's features belongs, whether it is there or not."""
    return indexes_folder() / f"{_safe(model)}--{_safe(dictionary)}.sqlite3"


def check_place(out: Path, *, resume: bool = False) -> None:
    """Raise `ClewError` where no index can be made, or begun before, under this name."""
    if out.is_dir():
        raise ClewError(f"{out} is a folder; name a file in it.")
    if out.exists() and not resume:
        raise ClewError(f"{out} is there already; add --resume to go on with it, or name another with --out.")


def _safe(name: str) -> str:
    """A name as part of a file's; what had to be changed is told apart by a few digits of its hash."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80] or "unnamed"
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
