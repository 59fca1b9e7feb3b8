"""Write pictures with few colours as small PNG files."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from jaxtyping import UInt8

COLORS = 256


def palette_png(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """A PNG of at most 256 colours: the commonest, and for all others the nearest of them."""
    height, width, _ = pixels.shape
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    packed, place, count = np.unique(packed.ravel(), return_inverse=True, return_counts=True)
    colors = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1).astype(np.int32)
    chosen = spread(colors, count)
    nearest = np.concatenate(
        [((part[:, None] - chosen[None]) ** 2).sum(-1).argmin(1) for part in np.array_split(colors, 64)]
    ).astype(np.uint8)
    rows = np.zeros((height, width + 1), dtype=np.uint8)  # each row begins with "no filter"
    rows[:, 1:] = nearest[place].reshape(height, width)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", chosen.astype(np.uint8).tobytes()),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
            _chunk(b"IEND", b""),
        ]
    )


def spread(colors: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The commonest colour of each of the 256 most filled cells, which are as small as they may be."""
    size = next(size for size in range(1, 256) if len(np.unique(_cells(colors, size))) <= 6 * COLORS)
    cell, place = np.unique(_cells(colors, size), return_inverse=True)
    order = np.lexsort((-count, place))
    first = order[np.r_[True, np.diff(place[order]) > 0]]
    filled = np.bincount(place, weights=count, minlength=len(cell))
    return colors[first[np.argsort(-filled)[:COLORS]]]


def _cells(colors: np.ndarray, size: int) -> np.ndarray:
    return (colors // size) @ np.array([1 << 20, 1 << 10, 1])


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
