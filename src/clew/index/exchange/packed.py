"""Details of many features in one file a layer, of which a program can fetch a single feature.

`index.json.gz` maps the number of each layer to `{"filename", "offsets"}`. Feature i lies between
`offsets[i]` and `offsets[i + 1]` of that file; a feature without details takes no bytes. A record is the
number of bytes that follow (uint32, little-endian), then gzip of the feature's JSON.
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from clew.errors import ClewError
from clew.feature import Feature
from clew.index.exchange.feature_file import FeatureFile, decode, encode, parse

INDEX = "index.json.gz"
LONGEST_INDEX = 256 * 1024**2
"""Bytes of the unpacked index, enough for some twenty million features."""
LONGEST_RECORD = 32 * 1024**2
"""Bytes of one feature's details, packed or unpacked; usual ones have a hundredth of this."""
MOST_LAYERS = 10_000


@dataclass(frozen=True)
class PackedLayer:
    """The file of a layer, and the offsets of its features."""

    layer: int
    path: Path
    offsets: tuple[int, ...]


def write_packed(details: Iterable[FeatureFile], folder: Path) -> int:
    """Write index and layers into an existing folder; returns the number of features.

    Raises `ClewError` for details that are not sorted by layer, then by feature, and for a number that JSON
    cannot write.
    """
    index: dict[str, Any] = {}
    count = 0
    for layer, features in groupby(details, key=lambda one: one.feature.layer):
        if str(layer) in index:
            raise ClewError(f"Layer {layer} comes twice; sort features by layer.")
        name = f"layer_{layer}.bin"
        with (folder / name).open("wb") as file:
            offsets = _write_layer(features, file)
        index[str(layer)] = {"filename": name, "offsets": offsets}
        count += sum(end > start for start, end in pairwise(offsets))
    (folder / INDEX).write_bytes(_gzip(json.dumps(index, separators=(",", ":")).encode()))
    return count


def _write_layer(features: Iterable[FeatureFile], file: IO[bytes]) -> list[int]:
    offsets = [0]
    for details in features:
        if details.feature.index < len(offsets) - 1:
            raise ClewError(f"{details.feature} comes too late; sort the features of a layer.")
        offsets += [offsets[-1]] * (details.feature.index - len(offsets) + 1)
        packed = _gzip(encode(details))
        file.write(struct.pack("<I", len(packed)) + packed)
        offsets.append(offsets[-1] + 4 + len(packed))
    return offsets


def read_packed(folder: Path) -> Iterator[FeatureFile]:
    """All features that have details, layer by layer, with one record in memory at a time.

    Raises `ClewError` for an index or a record that is damaged or cut off, points out of its file or out of
    the folder, or would unpack to more than `LONGEST_RECORD`.
    """
    for layer in read_packed_index(folder):
        with layer.path.open("rb") as file:
            for index, (start, end) in enumerate(pairwise(layer.offsets)):
                if start == end:
                    continue
                try:
                    yield decode(_record(file, start, end), Feature(layer.layer, index))
                except ClewError as error:
                    raise ClewError(
                        f"{layer.path}: feature {index} is damaged: {error} Download the file again."
                    ) from error


def read_packed_index(folder: Path) -> list[PackedLayer]:
    """The layers of a packed folder, in order; every offset is checked against its file's size."""
    path = folder / INDEX
    try:
        data = parse(_unzip(path.read_bytes(), LONGEST_INDEX))
        if not isinstance(data, dict) or len(data) > MOST_LAYERS:
            raise ClewError("it must map each layer to a filename and offsets.")
        layers = [_layer(folder, name, entry) for name, entry in data.items()]
    except FileNotFoundError:
        raise ClewError(f"There is no {path}, which holds the place of each feature.") from None
    except ClewError as error:
        raise ClewError(f"{path} is damaged: {error} Download it again.") from error
    return sorted(layers, key=lambda layer: layer.layer)


def _layer(folder: Path, name: str, entry: Any) -> PackedLayer:
    if not (name.isascii() and name.isdigit() and len(name) <= 5):
        raise ClewError(f"{name[:40]!a} is not the number of a layer.")
    match entry:
        case {"filename": str() as filename, "offsets": list() as offsets}:
            pass
        case _:
            raise ClewError(f"layer {name} needs a filename and offsets.")
    if PurePosixPath(filename).name != filename or PureWindowsPath(filename).name != filename:
        raise ClewError(f"layer {name} lies in {filename[:60]!a}, which is not a plain file name.")
    path = folder / filename
    if not path.is_file():
        raise ClewError(f"layer {name} lies in {filename}, but there is no such file beside it.")
    if not all(isinstance(offset, int) and not isinstance(offset, bool) for offset in offsets):
        raise ClewError(f"layer {name} has offsets that are not whole numbers.")
    if any(end < start for start, end in pairwise([0, *offsets])):
        raise ClewError(f"layer {name} has offsets that do not rise.")
    if offsets and offsets[-1] > (size := path.stat().st_size):
        raise ClewError(f"layer {name} has an offset past the {size:,} bytes of {filename}; it was cut off.")
    return PackedLayer(int(name), path, tuple(offsets))


def _record(file: IO[bytes], start: int, end: int) -> bytes:
    if not 4 < end - start <= LONGEST_RECORD + 4:
        raise ClewError(f"its record has {end - start:,} bytes.")
    file.seek(start)
    record = file.read(end - start)
    (length,) = struct.unpack("<I", record[:4])
    if length > len(record) - 4:
        raise ClewError(f"it should have {length:,} bytes, but {len(record) - 4:,} are there.")
    return _unzip(record[4 : 4 + length], LONGEST_RECORD)


def _gzip(data: bytes) -> bytes:
    """Packed without a time stamp or a name, so that the bytes are the same every time."""
    return gzip.compress(data, mtime=0)


def _unzip(data: bytes, most: int) -> bytes:
    """Unpacked data of at most `most` bytes; raises `ClewError` before it holds more."""
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(data, most)
    except zlib.error as error:
        raise ClewError(f"it is not gzip ({str(error)[:80]}).") from error
    if unpacker.unconsumed_tail:
        raise ClewError(f"it would unpack to more than {most:,} bytes.")
    if not unpacker.eof:
        raise ClewError("it was cut off.")
    return unpacked
