"""Details of many features in one file a layer, so that one of them can be fetched by its bytes alone.

`index.json.gz` says for each layer, by its number, `{"filename", "offsets"}`: feature i lies between
`offsets[i]` and `offsets[i + 1]` of that file, and one that has nothing to show takes no bytes. A record
is the length of what follows (uint32, little-endian), then gzip of the per-feature JSON.
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
from clew.index.exchange.feature_file import FeatureDetails, decode, encode, parse

INDEX = "index.json.gz"
LONGEST_INDEX = 256 * 1024**2
"""Bytes of the index, unpacked: some twenty million features."""
LONGEST_RECORD = 32 * 1024**2
"""Bytes of one feature's details, packed or unpacked; usual ones have a hundredth of it."""
MOST_LAYERS = 10_000


@dataclass(frozen=True)
class PackedLayer:
    """Where the features of a layer lie."""

    layer: int
    path: Path
    offsets: tuple[int, ...]


def write_packed(details: Iterable[FeatureDetails], folder: Path) -> int:
    """Write index and layers into a folder that is there; returns how many features they hold.

    `details` come by layer, then by feature. Raises `ClewError` for those that do not, and for a number
    that JSON cannot write.
    """
    index: dict[str, Any] = {}
    count = 0
    for layer, features in groupby(details, key=lambda feature: feature.layer):
        if str(layer) in index:
            raise ClewError(f"Layer {layer} comes twice; features must come layer by layer.")
        name = f"layer_{layer}.bin"
        with (folder / name).open("wb") as file:
            offsets = _write_layer(features, file)
        index[str(layer)] = {"filename": name, "offsets": offsets}
        count += sum(end > start for start, end in pairwise(offsets))
    (folder / INDEX).write_bytes(_gzip(json.dumps(index, separators=(",", ":")).encode()))
    return count


def _write_layer(features: Iterable[FeatureDetails], file: IO[bytes]) -> list[int]:
    offsets = [0]
    for details in features:
        if details.feature < len(offsets) - 1:
            raise ClewError(f"{details.name} comes too late; features of a layer must come in order.")
        offsets += [offsets[-1]] * (details.feature - len(offsets) + 1)
        packed = _gzip(encode(details))
        file.write(struct.pack("<I", len(packed)) + packed)
        offsets.append(offsets[-1] + 4 + len(packed))
    return offsets


def read_packed(folder: Path) -> Iterator[FeatureDetails]:
    """All features that have details, layer by layer; one record is in memory at a time.

    Raises `ClewError` for an index or a record that is damaged, was cut off, points outside of its file or
    of the folder, or would unpack to more than `LONGEST_RECORD`.
    """
    for layer in read_packed_index(folder):
        with layer.path.open("rb") as file:
            for feature, (start, end) in enumerate(zip(layer.offsets, layer.offsets[1:], strict=False)):
                if start == end:
                    continue
                try:
                    yield decode(_record(file, start, end), layer.layer, feature)
                except ClewError as error:
                    raise ClewError(
                        f"{layer.path}: feature {feature} is damaged: {error} Fetch the file again."
                    ) from error


def read_packed_index(folder: Path) -> list[PackedLayer]:
    """Which features lie where, by layer; every offset is checked against its file's size."""
    path = folder / INDEX
    try:
        data = parse(_unzip(path.read_bytes(), LONGEST_INDEX))
        if not isinstance(data, dict) or len(data) > MOST_LAYERS:
            raise ClewError("it must say for each layer where its features lie.")
        layers = [_layer(folder, name, entry) for name, entry in data.items()]
    except FileNotFoundError:
        raise ClewError(f"There is no {path}, which says where each feature lies.") from None
    except ClewError as error:
        raise ClewError(f"{path} is damaged: {error} Fetch it again.") from error
    return sorted(layers, key=lambda layer: layer.layer)


def _layer(folder: Path, name: str, entry: Any) -> PackedLayer:
    if not (name.isascii() and name.isdigit() and len(name) <= 5):
        raise ClewError(f"{name[:40]!a} is no number of a layer.")
    match entry:
        case {"filename": str() as filename, "offsets": list() as offsets}:
            pass
        case _:
            raise ClewError(f"layer {name} needs a filename and offsets.")
    if PurePosixPath(filename).name != filename or PureWindowsPath(filename).name != filename:
        raise ClewError(f"layer {name} lies in {filename[:60]!a}, which is no plain name of a file.")
    path = folder / filename
    if not path.is_file():
        raise ClewError(f"layer {name} lies in {filename}, and there is no such file beside it.")
    if not all(isinstance(offset, int) and not isinstance(offset, bool) for offset in offsets):
        raise ClewError(f"layer {name} has offsets that are no whole numbers.")
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
    """The same bytes every time: no time stamp, no name."""
    return gzip.compress(data, mtime=0)


def _unzip(data: bytes, most: int) -> bytes:
    """Never holds more than `most` bytes, whatever the data would unpack to."""
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
