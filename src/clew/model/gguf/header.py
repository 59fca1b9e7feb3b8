"""The header of a GGUF file: its metadata and where its tensors lie, read once and checked against the file.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

VERSIONS = (2, 3)
ALIGNMENT = 32
"""Bytes to a multiple of which each tensor begins, where `general.alignment` says nothing else."""
STRING, ARRAY, BOOL = 8, 9, 7
NUMBERS = {
    0: "u1",
    1: "i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}
"""numpy's names of the number types of metadata."""
LONGEST_KEY = 65_535
MOST_DIMENSIONS = 4


@dataclass(frozen=True)
class GgufTensor:
    """One tensor of a file: `shape` has the slowest dimension first, as in torch."""

    name: str
    shape: tuple[int, ...]
    kind: int
    """The number of its ggml type."""
    start: int
    """Bytes from the beginning of the file."""
    size: int
    """Bytes in the file."""


@dataclass(frozen=True)
class GgufHeader:
    """Metadata by key and tensors by name; an array of metadata is a list."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, GgufTensor]


class GgufError(Exception):
    """The reason, as a part of a sentence, for which a file is not converted."""

    def __init__(self, reason: str, advice: str = "name the model's Hugging Face folder or hub id") -> None:
        super().__init__(reason)
        self.advice = advice


class Damaged(GgufError):
    """The reason for which a file cannot be what its maker wrote."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "fetch it again")


def read_header(path: Path) -> GgufHeader:
    """The header of a GGUF file of version 2 or 3.

    Memory follows what the file really holds, never what it claims to. Raises `GgufError` for another
    version or byte order, and for a file that is cut short or whose header does not fit its size.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _Reader(content).header(path)


class _Reader:
    """A position in the bytes of a file, which moves on with each read."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content = content
        self.end = len(content)
        self.position = 4

    def header(self, path: Path) -> GgufHeader:
        self._check_version()
        n_tensors, n_entries = self._count("tensors"), self._count("metadata entries")
        metadata: dict[str, Any] = {}
        for _ in range(n_entries):
            key = self._text(LONGEST_KEY)
            if key in metadata:
                raise Damaged(f"its metadata has {key} twice")
            metadata[key] = self._value(self._number("<I"), key)
        described = [self._tensor() for _ in range(n_tensors)]
        return GgufHeader(path, metadata, self._placed(described, _alignment(metadata)))

    def _check_version(self) -> None:
        version = self._number("<I")
        if version not in VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
            if swapped in VERSIONS:
                raise Damaged("it was written for big-endian machines")
            raise Damaged(f"it has version {version} of the format, and clew reads versions 2 and 3")

    def _take(self, size: int) -> int:
        """The position before `size` bytes, over which the reader moves."""
        start = self.position
        if size > self.end - start:
            raise Damaged("it is cut short: its header reaches beyond its end")
        self.position = start + size
        return start

    def _number(self, layout: str) -> int:
        return struct.unpack_from(layout, self.content, self._take(struct.calcsize(layout)))[0]

    def _count(self, of: str) -> int:
        count = self._number("<Q")
        if count > self.end:
            raise Damaged(f"its header claims {count:,} {of}")
        return count

    def _text(self, longest: int | None = None) -> str:
        length = self._number("<Q")
        if longest is not None and length > longest:
            raise Damaged(f"its header claims a name of {length:,} bytes")
        start = self._take(length)
        try:
            return self.content[start : start + length].decode()
        except UnicodeDecodeError:
            raise Damaged("its header holds text that is not UTF-8") from None

    def _value(self, kind: int, key: str) -> Any:
        if kind == STRING:
            return self._text()
        if kind == ARRAY:
            element, count = self._number("<I"), self._number("<Q")
            if element == STRING:
                return self._texts(count)
            return self._numbers(element, count, key)
        return self._numbers(kind, 1, key)[0]

    def _texts(self, count: int) -> list[str]:
        if count > (self.end - self.position) // 8:
            raise Damaged("it is cut short: its header reaches beyond its end")
        return [self._text() for _ in range(count)]

    def _numbers(self, kind: int, count: int, key: str) -> list[Any]:
        if kind == BOOL:
            values = self._array("u1", count)
            if values.size and values.max() > 1:
                raise Damaged(f"{key} holds a truth value that is neither 0 nor 1")
            return values.astype(bool).tolist()
        if kind not in NUMBERS:
            raise Damaged(f"{key} has a value of the unknown type {kind}")
        return self._array(NUMBERS[kind], count).tolist()

    def _array(self, layout: str, count: int) -> np.ndarray:
        size = np.dtype(layout).itemsize * count
        start = self._take(size)
        return np.frombuffer(self.content[start : start + size], dtype=layout)

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, shape, type and offset of a tensor."""
        name, n_dimensions = self._text(LONGEST_KEY), self._number("<I")
        if n_dimensions > MOST_DIMENSIONS:
            raise Damaged(f"the tensor {name} claims {n_dimensions:,} dimensions")
        shape = tuple(self._number("<Q") for _ in range(n_dimensions))[::-1]
        return name, shape, self._number("<I"), self._number("<Q")

    def _placed(
        self, described: list[tuple[str, tuple[int, ...], int, int]], alignment: int
    ) -> dict[str, GgufTensor]:
        """Tensors by name: they must follow each other without a gap up to the end of the file."""

        def padded(size: int) -> int:
            return -(-size // alignment) * alignment

        first = start = padded(self.position)
        tensors: dict[str, GgufTensor] = {}
        for name, shape, kind, offset in described:
            if name in tensors:
                raise Damaged(f"it has the tensor {name} twice")
            size = _size_in_file(name, shape, kind)
            if first + offset != start:
                raise Damaged(f"the tensor {name} does not begin where the one before it ends")
            if start + size > self.end:
                raise Damaged(f"it is cut short: the tensor {name} reaches beyond its end")
            tensors[name] = GgufTensor(name, shape, kind, start, size)
            start += padded(size)
        if described and self.end > start:
            raise Damaged(f"{self.end - start:,} bytes behind its last tensor belong to nothing")
        return tensors


def _alignment(metadata: dict[str, Any]) -> int:
    alignment = metadata.get("general.alignment", ALIGNMENT)
    if type(alignment) is not int or alignment < 8 or alignment % 8 or alignment > 2**20:
        raise Damaged(f"general.alignment is {alignment}, not a multiple of 8")
    return alignment


def _size_in_file(name: str, shape: tuple[int, ...], kind: int) -> int:
    try:
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except (ValueError, KeyError):
        raise Damaged(f"the tensor {name} is of the unknown type {kind}") from None
    if not shape or min(shape) < 1:
        raise Damaged(f"the tensor {name} is empty")
    if shape[-1] % block:
        raise Damaged(f"the rows of the tensor {name} are not whole blocks of its type")
    return math.prod(shape) // block * size
