"""Details of features, one JSON file each; its name is Cantor's number of layer and feature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from clew.errors import ClewError
from clew.graph.neuronpedia.format import pair, unpair
from clew.index.exchange.feature_file import FeatureDetails, decode, encode

LONGEST_FILE = 32 * 1024**2
"""Bytes; usual ones have a hundredth of it."""
HIGHEST_LAYER = 9_999


def write_json_files(details: Iterable[FeatureDetails], folder: Path) -> int:
    """Write each feature into a folder that is there; returns how many there were."""
    count = 0
    for feature in details:
        (folder / f"{pair(feature.layer, feature.feature)}.json").write_bytes(encode(feature))
        count += 1
    return count


def json_paths(folder: Path) -> list[Path]:
    """The files of features in a folder, by layer, then by feature; other files are left alone."""
    numbered = [path for path in folder.glob("*.json") if _is_number(path.stem)]
    return sorted(numbered, key=lambda path: unpair(int(path.stem)))


def highest_features(paths: Iterable[Path]) -> dict[int, int]:
    """The highest feature of each layer, as the names tell."""
    highest: dict[int, int] = {}
    for path in paths:
        layer, feature = _place(path)
        highest[layer] = max(feature, highest.get(layer, -1))
    return highest


def read_json_files(folder: Path) -> Iterator[FeatureDetails]:
    """The features whose files lie in a folder, by layer, then by feature."""
    for path in json_paths(folder):
        yield read_json_file(path)


def read_json_file(path: Path) -> FeatureDetails:
    """One feature; raises `ClewError` where the name is no number, or the file is damaged or too long."""
    layer, feature = _place(path)
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_FILE + 1)
    except FileNotFoundError:
        raise ClewError(f"There is no file {path}; check the name and the folder.") from None
    except OSError as error:
        raise ClewError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > LONGEST_FILE:
        raise ClewError(f"{path} has more than {LONGEST_FILE:,} bytes: it is no details of one feature.")
    try:
        return decode(data, layer, feature)
    except ClewError as error:
        raise ClewError(f"{path} is damaged: {error} Fetch it again.") from error


def _place(path: Path) -> tuple[int, int]:
    if not _is_number(path.stem):
        raise ClewError(
            f"{path} does not say which feature it is: its name must be Cantor's number of layer and "
            "feature, such as 66.json for feature 0 of layer 11."
        )
    layer, feature = unpair(int(path.stem))
    if layer > HIGHEST_LAYER:
        raise ClewError(f"{path} would be of layer {layer:,}: its name is not Cantor's number.")
    return layer, feature


def _is_number(stem: str) -> bool:
    return stem.isascii() and stem.isdigit() and len(stem) <= 18
