"""Arrays as the bytes that an index stores, little-endian, and back."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Float, Float32, Int8, Int32, Int64

from clew.index.storage.histogram import N_BINS


def pack_histogram(counts: Int64[np.ndarray, " bin"]) -> bytes:
    """The bins that are not empty (uint8 each), then their counts (uint64 each)."""
    (filled,) = np.nonzero(counts)
    return filled.astype("u1").tobytes() + counts[filled].astype("<u8").tobytes()


def unpack_histogram(blob: bytes) -> Int64[np.ndarray, " bin"]:
    n_filled = len(blob) // 9
    counts = np.zeros(N_BINS, dtype=np.int64)
    counts[np.frombuffer(blob, "u1", n_filled)] = np.frombuffer(blob, "<u8", n_filled, n_filled)
    return counts


def pack_tokens(ids: Int32[np.ndarray, " token"]) -> bytes:
    """A window: int32 each."""
    return ids.astype("<i4").tobytes()


def unpack_tokens(blob: bytes) -> Int32[np.ndarray, " token"]:
    return np.frombuffer(blob, "<i4").astype(np.int32)


def pack_scored(
    ids: Int32[np.ndarray, " token"], values: Float[np.ndarray, " token"], kind: str = "<f4"
) -> bytes:
    """Tokens with a value: the ids (int32 each), then the values (float32 each)."""
    return ids.astype("<i4").tobytes() + values.astype(kind).tobytes()


def unpack_scored(
    blob: bytes, kind: str = "<f4"
) -> tuple[Int32[np.ndarray, " token"], Float[np.ndarray, " token"]]:
    count = len(blob) // (4 + np.dtype(kind).itemsize)
    ids, values = np.frombuffer(blob, "<i4", count), np.frombuffer(blob, kind, count, 4 * count)
    return ids.astype(np.int32), values.astype(np.dtype(kind).newbyteorder("="))


pack_sample, unpack_sample = partial(pack_scored, kind="<f8"), partial(unpack_scored, kind="<f8")
"""A sample of tokens: the ids, then the keys by which they were drawn (float64 each)."""


def pack_activations(scale: float, steps: Int8[np.ndarray, " token"]) -> bytes:
    """Activations: their largest magnitude (float32), then each one as 127ths of it (int8)."""
    return np.array([scale], "<f4").tobytes() + steps.astype("i1").tobytes()


def unpack_activations(blob: bytes) -> Float32[np.ndarray, " token"]:
    (scale,) = np.frombuffer(blob, "<f4", 1)
    return np.frombuffer(blob, "i1", offset=4).astype(np.float32) * (scale / 127)


def steps_of(activations: Float32[np.ndarray, " token"]) -> tuple[float, Int8[np.ndarray, " token"]]:
    """The scale and the steps that `pack_activations` takes."""
    scale = float(np.abs(activations).max(initial=0))
    return scale, np.rint(activations / (scale or 1) * 127).astype(np.int8)
