"""Details of features on disk: one JSON file a feature, or packed; written to a folder, or read from one.

The name of a feature's JSON file is Cantor's number of layer and index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from clew.errors import ClewError
from clew.feature import Feature
from clew.files import cannot_read, check_new_folder, named_path, new_folder
from clew.graph.neuronpedia.format import pair, unpair
from clew.index.exchange.feature_file import FeatureFile, decode, encode
from clew.index.exchange.packed import INDEX, read_packed, read_packed_index, write_packed

FOLDER = "features"
LONGEST_FILE = 32 * 1024**2
"""Bytes of one feature's file; usual ones have a hundredth of this."""
MOST_FEATURES = 100_000_000
"""Features of a layer; the largest dictionaries have a hundredth of this."""
HIGHEST_LAYER = 9_999


def write_details(details: Iterable[FeatureFile], folder: str | Path, form: str) -> int:
    """Write `folder/features/` in the form `json` or `packed`; returns the number of features.

    `folder` is new or empty, and appears when all is written. Raises `ClewError` for another form, a folder
    with something in it, and a disk that is full or cannot be written.
    """
    if form not in WRITERS:
        raise ClewError(f"There is no form {form!r}; choose {' or '.join(WRITERS)}.")
    with new_folder(check_new_folder(folder)) as partial:
        features = partial / FOLDER
        features.mkdir()
        return WRITERS[form](details, features)


def read_details(path: str | Path) -> Iterator[FeatureFile]:
    """The features of a folder in either form, or of one JSON file, by layer, then by index.

    The folder may be the one that holds `features`. Raises `ClewError` at once where nothing is found, and
    for damaged details when it comes to them.
    """
    form, location = _find(named_path(path))
    match form:
        case "file":
            return iter([_read_json_file(location)])
        case "packed":
            return read_packed(location)
    return map(_read_json_file, _json_files(location))


def widths_of(path: str | Path) -> tuple[int, ...]:
    """The number of features that each layer has at least; raises `ClewError` as `read_details` does."""
    form, location = _find(named_path(path))
    highest: dict[int, int] = {}
    if form == "packed":
        highest = {layer.layer: len(layer.offsets) - 2 for layer in read_packed_index(location)}
    else:
        for file in [location] if form == "file" else _json_files(location):
            feature = _feature_of(file)
            highest[feature.layer] = max(feature.index, highest.get(feature.layer, -1))
    if max(highest.values(), default=0) >= MOST_FEATURES:
        raise ClewError(f"{path} is damaged: it has more than {MOST_FEATURES:,} features in a layer.")
    return tuple(max(0, highest.get(layer, -1) + 1) for layer in range(max(highest, default=-1) + 1))


def _find(path: Path) -> tuple[str, Path]:
    """The form and the folder, or `file` and the file."""
    if path.is_file() and path.suffix.lower() == ".json":
        return "file", path
    if path.name == INDEX:
        path = path.parent
    for form, is_there in (("packed", lambda folder: (folder / INDEX).is_file()), ("json", _json_files)):
        for folder in (path, path / FOLDER):
            if is_there(folder):
                return form, folder
    if not path.exists():
        raise ClewError(f"There is no file or folder {path}; check the name.")
    raise ClewError(
        f"{path} holds no details of features: expected {INDEX} beside layer_N.bin, or files such as 66.json."
    )


def _write_json_files(details: Iterable[FeatureFile], folder: Path) -> int:
    count = 0
    for one in details:
        (folder / f"{pair(one.feature.layer, one.feature.index)}.json").write_bytes(encode(one))
        count += 1
    return count


def _json_files(folder: Path) -> list[Path]:
    """The files of features in a folder, by layer, then by index, without other files."""
    numbered = [path for path in folder.glob("*.json") if _is_number(path.stem)]
    return sorted(numbered, key=lambda path: unpair(int(path.stem)))


def _read_json_file(path: Path) -> FeatureFile:
    """One feature; raises `ClewError` where the name is not a number, or the file is damaged or too long."""
    feature = _feature_of(path)
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_FILE + 1)
    except OSError as error:
        raise cannot_read(path, error) from error
    if len(data) > LONGEST_FILE:
        raise ClewError(f"{path} has more than {LONGEST_FILE:,} bytes, too many for one feature's details.")
    try:
        return decode(data, feature)
    except ClewError as error:
        raise ClewError(f"{path} is damaged: {error} Download it again.") from error


def _feature_of(path: Path) -> Feature:
    """The feature that a file's name stands for."""
    if not _is_number(path.stem):
        raise ClewError(
            f"The name of {path} does not say which feature it is; it must be Cantor's number of layer and "
            "feature, such as 66.json for feature 0 of layer 11."
        )
    feature = Feature(*unpair(int(path.stem)))
    if feature.layer > HIGHEST_LAYER:
        raise ClewError(f"{path} would be of layer {feature.layer:,}: its name is not Cantor's number.")
    return feature


def _is_number(stem: str) -> bool:
    return stem.isascii() and stem.isdigit() and len(stem) <= 18


WRITERS: dict[str, Callable[[Iterable[FeatureFile], Path], int]] = {
    "json": _write_json_files,
    "packed": write_packed,
}
