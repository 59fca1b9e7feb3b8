"""Where indexes lie when no file is named."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import platformdirs


def indexes_folder() -> Path:
    """The folder of all indexes; CLEW_INDEXES moves it. It need not exist."""
    named = os.environ.get("CLEW_INDEXES")
    return Path(named).expanduser() if named else platformdirs.user_data_path("clew") / "indexes"


def default_place(model: str, dictionary: str) -> Path:
    """Where the index of a model's features belongs, whether it is there or not."""
    return indexes_folder() / f"{_safe(model)}--{_safe(dictionary)}.sqlite3"


def _safe(name: str) -> str:
    """A name as part of a file's; what had to be changed is told apart by a few digits of its hash."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80] or "unnamed"
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
