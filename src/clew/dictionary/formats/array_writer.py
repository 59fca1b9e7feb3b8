"""A writer of safetensors files in pieces, for arrays larger than memory.

The format: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from clew.dictionary.weights import HeldWeights, StackedWeights, StoredWeights, Weights

PIECE = 64 * 1024**2
"""The largest piece in memory, in bytes of float32."""
SPELLING = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.uint8: "U8"}


@dataclass(frozen=True)
class WrittenArray:
    """An array to write; `pieces` returns its parts along the first dimension, in order."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    pieces: Callable[[], Iterator[Tensor]]

    @property
    def n_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


def whole_array(weights: Weights) -> WrittenArray:
    """An array in the element type in which it is stored."""
    return WrittenArray(weights.shape, dtype_of(weights), lambda: _row_pieces(weights))


def dtype_of(weights: Weights) -> torch.dtype:
    """The element type that loses nothing of an array."""
    match weights:
        case HeldWeights(tensor) if tensor.dtype in SPELLING:
            return tensor.dtype
        case StoredWeights():
            return weights.dtype
        case StackedWeights(matrices) if len(kinds := {dtype_of(matrix) for matrix in matrices}) == 1:
            return kinds.pop()
    return torch.float32


def write_safetensors(path: Path, arrays: Mapping[str, WrittenArray]) -> None:
    """Write header and arrays, those of wider element types first so that all are aligned."""
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    header, end = {}, 0
    for name, array in ordered:
        start, end = end, end + array.n_bytes
        header[name] = {
            "dtype": SPELLING[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, array in ordered:
            for piece in array.pieces():
                file.write(piece.to(array.dtype).contiguous().view(torch.uint8).numpy().data)


def rows_per_piece(n_bytes_per_row: int) -> int:
    return max(1, PIECE // max(1, n_bytes_per_row))


def _row_pieces(weights: Weights) -> Iterator[Tensor]:
    n_rows, width = weights.shape[0], prod(weights.shape[1:])
    at_once = rows_per_piece(width * 4)
    if n_rows <= at_once or len(weights.shape) != 2:
        yield weights.read()
        return
    for start in range(0, n_rows, at_once):
        stop = min(start + at_once, n_rows)
        if isinstance(weights, StoredWeights) and weights.transposed:
            yield _rows_across(weights, start, stop)
        else:
            yield weights.rows(torch.arange(start, stop))


def _rows_across(weights: StoredWeights, start: int, stop: int) -> Tensor:
    """Rows of a matrix that is stored by column: they are a part of every column."""
    n_rows, n_columns = weights.shape
    columns = torch.empty(n_columns, stop - start, dtype=weights.dtype)
    size = weights.dtype.itemsize
    with weights.path.open("rb") as file:
        for number, column in enumerate(columns):
            file.seek(weights.offset + (number * n_rows + start) * size)
            file.readinto(column.view(torch.uint8).numpy().data)
    return columns.T
