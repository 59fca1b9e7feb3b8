"""Details of features on disk, in either form: written into a new folder, or found where they lie."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from clew.errors import ClewError
from clew.examples.formats.details import FeatureDetails
from clew.examples.formats.packed import INDEX, read_packed, write_packed
from clew.examples.formats.per_feature import read_json_file, read_json_files, write_json_files

FOLDER = "features"
WRITERS: dict[str, Callable[[Iterable[FeatureDetails], Path], int]] = {
    "json": write_json_files,
    "packed": write_packed,
}


def write_details(details: Iterable[FeatureDetails], folder: str | Path, form: str) -> int:
    """Write `folder/features/` in the form `json` or `packed`; returns how many features it holds.

    `folder` is new or empty and appears when all of it is written. Raises `ClewError` for another form, a
    folder that holds something, and a disk that is full or cannot be written.
    """
    if form not in WRITERS:
        raise ClewError(f"There is no form {form!r}, only {' and '.join(WRITERS)}.")
    target = Path(folder).expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ClewError(f"{target} already holds something: give a folder that is new or empty.")
    partial = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        features = partial / FOLDER
        features.mkdir()
        count = WRITERS[form](details, features)
        partial.chmod(0o777 & ~_umask())
        partial.rename(target)
    except OSError as error:
        advice = "make room there" if error.errno == errno.ENOSPC else "give a folder that can be written"
        raise ClewError(f"{target} cannot be written ({error.strerror or error}): {advice}.") from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return count


def read_details(path: str | Path) -> Iterator[FeatureDetails]:
    """The features of a folder in either form, or of one JSON file, by layer, then by feature.

    The folder may be the one that holds `features`. Raises `ClewError` at once where nothing is found, and
    for damage when it is reached.
    """
    path = Path(path).expanduser()
    if path.is_file() and path.suffix.lower() == ".json":
        return iter([read_json_file(path)])
    if path.name == INDEX:
        path = path.parent
    for folder in (path, path / FOLDER):
        if (folder / INDEX).is_file():
            return read_packed(folder)
    for folder in (path, path / FOLDER):
        found = read_json_files(folder)
        if (first := next(found, None)) is not None:
            return chain([first], found)
    if not path.exists():
        raise ClewError(f"There is no file or folder {path}; check the name.")
    raise ClewError(
        f"{path} holds no details of features: expected {INDEX} beside layer_N.bin, or files such as 66.json."
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
