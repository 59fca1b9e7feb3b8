"""The record of models that were loaded on this machine: references, fingerprints, and the time it took."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from clew.errors import ClewError
from clew.file_lock import changing
from clew.files import named_path, write_file
from clew.fingerprints import same_weights

MOST = 200


@dataclass(frozen=True)
class LoadRecord:
    """One model and dictionary that were loaded together here."""

    model: str
    """The reference that was given; of a folder or a file its absolute path."""
    dictionary: str
    weights: str = ""
    """Fingerprint of the model's weights; empty for a model without files."""
    dictionary_weights: str = ""
    seconds: float = 0.0


def load_records() -> list[LoadRecord]:
    """All models that were loaded here, the latest first; none where the record cannot be read."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return [LoadRecord(**each) for each in json.loads(_file().read_text())]
    return []


def remember_load(record: LoadRecord) -> None:
    """Put a load in front of the record; a record that cannot be written is no failure of the load."""
    with contextlib.suppress(OSError, ClewError):
        _file().parent.mkdir(parents=True, exist_ok=True)
        with changing(_file()):
            others = [each for each in load_records() if _identity(each) != _identity(record)]
            write_file(_file(), json.dumps([asdict(each) for each in [record, *others][:MOST]]).encode())


def recorded_load(
    model: str, dictionary: str, weights: str = "", dictionary_weights: str = ""
) -> LoadRecord | None:
    """The load that had these weights, by whatever names; or else the one that had these names."""
    records = load_records()
    same = [
        each
        for each in records
        if weights
        and same_weights(each.weights, weights)
        and same_weights(each.dictionary_weights, dictionary_weights)
    ]
    if not dictionary_weights:  # the model's own neurons, or a dictionary that has no fingerprint
        same = [each for each in same if each.dictionary == dictionary]
    named = [each for each in records if (each.model, each.dictionary) == (model, dictionary)]
    return next(iter([*same, *named]), None)


def _identity(record: LoadRecord) -> tuple[str, ...]:
    return record.model, record.dictionary, record.weights, record.dictionary_weights


def _file() -> Path:
    root = os.environ.get("CLEW_CACHE")
    return (named_path(root) if root else platformdirs.user_cache_path("clew")) / "loaded.json"
