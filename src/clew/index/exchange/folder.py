"""Details of features on disk, in either form: written into a new folder, or found where they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from clew.errors import ClewError
from clew.files import check_new_folder, new_folder
from clew.index.exchange.feature_file import FeatureDetails
from clew.index.exchange.packed import INDEX, read_packed, read_packed_index, write_packed
from clew.index.exchange.per_feature import (
    highest_features,
    json_paths,
    read_json_file,
    read_json_files,
    write_json_files,
)

FOLDER = "features"
MOST_FEATURES = 100_000_000
"""Of a layer; the largest dictionaries have a hundredth of it."""
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
    with new_folder(check_new_folder(folder)) as partial:
        features = partial / FOLDER
        features.mkdir()
        return WRITERS[form](details, features)


def read_details(path: str | Path) -> Iterator[FeatureDetails]:
    """The features of a folder in either form, or of one JSON file, by layer, then by feature.

    The folder may be the one that holds `features`. Raises `ClewError` at once where nothing is found, and
    for damage when it is reached.
    """
    form, place = _find(Path(path).expanduser())
    match form:
        case "file":
            return iter([read_json_file(place)])
        case "packed":
            return read_packed(place)
    return read_json_files(place)


def widths_of(path: str | Path) -> tuple[int, ...]:
    """So many features each layer has at least, as names and offsets tell; raises `ClewError` as above."""
    form, place = _find(Path(path).expanduser())
    if form == "packed":
        highest = {layer.layer: len(layer.offsets) - 2 for layer in read_packed_index(place)}
    else:
        highest = highest_features([place] if form == "file" else json_paths(place))
    if max(highest.values(), default=0) >= MOST_FEATURES:
        raise ClewError(f"{path} would have more than {MOST_FEATURES:,} features in a layer: it is damaged.")
    return tuple(max(0, highest.get(layer, -1) + 1) for layer in range(max(highest, default=-1) + 1))


def _find(path: Path) -> tuple[str, Path]:
    """`packed` or `json` and the folder, or `file` and the file."""
    if path.is_file() and path.suffix.lower() == ".json":
        return "file", path
    if path.name == INDEX:
        path = path.parent
    for form, is_there in (("packed", lambda folder: (folder / INDEX).is_file()), ("json", json_paths)):
        for folder in (path, path / FOLDER):
            if is_there(folder):
                return form, folder
    if not path.exists():
        raise ClewError(f"There is no file or folder {path}; check the name.")
    raise ClewError(
        f"{path} holds no details of features: expected {INDEX} beside layer_N.bin, or files such as 66.json."
    )
