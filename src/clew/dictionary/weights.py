"""Arrays that may stay on disk; all of one, or some rows, are read when they are needed.

A cross-layer decoder can be larger than memory, and only the rows of active features matter. Rows are read
and not mapped, because a mapped page and its neighbours count as the memory of the process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.dictionary.quantised_rows import expand_rows, groups_are_full
from clew.errors import ClewError
from clew.file_stamps import Stamp, file_stamp

ROWS = 512
"""Rows of packed integers that are expanded together."""


class Weights(Protocol):
    """A float array."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def n_bytes(self) -> int: ...

    def read(self) -> Float[Tensor, "..."]:
        """The whole array, in float32 on the CPU."""
        ...

    def rows(self, index: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        """Some rows in float32 on the CPU; all dimensions but the last count as rows."""
        ...


@dataclass(frozen=True)
class HeldWeights:
    """An array in memory."""

    tensor: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def n_bytes(self) -> int:
        return self.tensor.nbytes

    def read(self) -> Float[Tensor, "..."]:
        return self.tensor.float().cpu()

    def rows(self, index: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        return self.tensor.flatten(0, -2)[index.to(self.tensor.device)].float().cpu()


@dataclass(frozen=True)
class StoredWeights:
    """An uncompressed array in a file, row-major and little-endian, which begins at `offset`."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    transposed: bool = False
    """True if the file holds the matrix column by column; `shape` is that of the result of `read`."""
    stamp: Stamp | None = None
    """The file's stamp when its header was read; None to read it whatever it has become."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", self.path.absolute())  # the working folder may change

    @property
    def n_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    def read(self) -> Float[Tensor, "..."]:
        return self.stored().float()

    def rows(self, index: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        return self.stored_rows(index).float()

    def stored(self) -> Tensor:
        """The whole array in the file's element type."""
        stored = self.shape[::-1] if self.transposed else self.shape
        array = torch.empty(stored, dtype=self.dtype)
        with self._opened() as file:
            file.seek(self.offset)
            if file.readinto(_memory(array)) < array.nbytes:
                raise self._cut_short()
        return array.T if self.transposed else array

    def stored_rows(self, index: Int[Tensor, " row"]) -> Tensor:
        """Some rows in the file's element type."""
        if self.transposed:
            return self.stored()[index]
        array = torch.empty(len(index), self.shape[-1], dtype=self.dtype)
        width = self.shape[-1] * self.dtype.itemsize
        memory = _memory(array)
        with self._opened() as file:
            for start, row, count in _runs(index):
                run = memory[start * width : (start + count) * width]
                if os.preadv(file.fileno(), [run], self.offset + row * width) < len(run):
                    raise self._cut_short()
        return array

    def _cut_short(self) -> ClewError:
        return ClewError(f"{self.path} became shorter while clew read it; fetch it again.")

    def _opened(self) -> BufferedReader:
        try:
            file = self.path.open("rb")
            if self.stamp is not None and file_stamp(os.fstat(file.fileno())) != self.stamp:
                file.close()
                raise ClewError(f"{self.path} changed while clew read from it; load it again.")
            return file
        except OSError as error:
            raise ClewError(
                f"{self.path} cannot be read any more: {error.strerror}; put the file back."
            ) from error


@dataclass(frozen=True)
class QuantisedWeights:
    """Rows of packed integers with scales (`clew.dictionary.quantised_rows`), expanded on each read."""

    packed: StoredWeights
    scale: Weights
    width: int
    """The number of weights in a row."""
    bits: int
    group: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.packed.shape[:-1], self.width)

    @property
    def n_bytes(self) -> int:
        return self.packed.n_bytes + self.scale.n_bytes

    def read(self) -> Float[Tensor, "..."]:
        packed, scale = self.packed.stored(), self.scale.read()
        weights = torch.empty(self.shape)
        for rows in zip(weights.split(ROWS), packed.split(ROWS), scale.split(ROWS), strict=True):
            rows[0][:] = self._expand(*rows[1:])
        return weights

    def rows(self, index: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        return self._expand(self.packed.stored_rows(index), self.scale.rows(index))

    def fits_its_groups(self, index: Int[Tensor, " row"]) -> bool:
        """False if some rows look as if they were packed with another number of neighbours."""
        return groups_are_full(self.rows(index), self.scale.rows(index), self.bits, self.group)

    def _expand(self, packed: Tensor, scale: Tensor) -> Tensor:
        return expand_rows(packed, scale, self.bits, self.width, self.group)


@dataclass(frozen=True)
class TransposedWeights:
    """A matrix with rows and columns exchanged on each read."""

    weights: Weights

    @property
    def shape(self) -> tuple[int, ...]:
        return self.weights.shape[::-1]

    @property
    def n_bytes(self) -> int:
        return self.weights.n_bytes

    def read(self) -> Float[Tensor, "..."]:
        return self.weights.read().T

    def rows(self, index: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        return self.read()[index]


def transpose(weights: Weights) -> Weights:
    """A matrix with rows and columns exchanged; a stored one stays on disk."""
    match weights:
        case StoredWeights(shape=shape, transposed=transposed):
            return replace(weights, shape=shape[::-1], transposed=not transposed)
        case HeldWeights(tensor):
            return HeldWeights(tensor.T)
        case TransposedWeights(original):
            return original
    return TransposedWeights(weights)


@dataclass(frozen=True)
class ScaledWeights:
    """An array times a number, multiplied on each read."""

    weights: Weights
    factor: float

    @property
    def shape(self) -> tuple[int, ...]:
        return self.weights.shape

    @property
    def n_bytes(self) -> int:
        return self.weights.n_bytes

    def read(self) -> Float[Tensor, "..."]:
        return self.weights.read() * self.factor

    def rows(self, index: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        return self.weights.rows(index) * self.factor


@dataclass(frozen=True)
class RowScaledWeights:
    """A matrix whose rows are each multiplied by a number of their own, on each read."""

    weights: Weights
    factor: Float[Tensor, " row"]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.weights.shape

    @property
    def n_bytes(self) -> int:
        return self.weights.n_bytes + self.factor.nbytes

    def read(self) -> Float[Tensor, "..."]:
        return self.weights.read() * self.factor[:, None]

    def rows(self, index: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        return self.weights.rows(index) * self.factor[index.cpu()][:, None]


@dataclass(frozen=True)
class StackedWeights:
    """Matrices `[row, width]` side by side: an array `[row, matrix, width]`."""

    matrices: tuple[Weights, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        n_rows, width = self.matrices[0].shape
        return (n_rows, len(self.matrices), width)

    @property
    def n_bytes(self) -> int:
        return sum(matrix.n_bytes for matrix in self.matrices)

    def read(self) -> Float[Tensor, "..."]:
        return torch.stack([matrix.read() for matrix in self.matrices], dim=1)

    def rows(self, index: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        rows = torch.empty(len(index), self.shape[-1])
        matrix_index = index.cpu() % len(self.matrices)
        for number, matrix in enumerate(self.matrices):
            chosen = torch.nonzero(matrix_index == number).squeeze(1)
            if len(chosen):
                rows[chosen] = matrix.rows(index.cpu()[chosen] // len(self.matrices))
        return rows


def _runs(index: Int[Tensor, " row"]) -> Iterator[tuple[int, int, int]]:
    """Runs of neighbouring rows: the start in `index`, the first row, the number of rows."""
    breaks = (torch.nonzero(index.diff() != 1).squeeze(1) + 1).tolist()
    begins = [0, *breaks] if len(index) else []
    for begin, end, row in zip(begins, [*breaks, len(index)], index[begins].tolist(), strict=False):
        yield begin, row, end - begin


def _memory(tensor: Tensor) -> memoryview:
    """The bytes of a contiguous tensor, to write to."""
    array: np.ndarray = tensor.view(torch.uint8).numpy() if tensor.numel() else np.empty(0, np.uint8)
    return memoryview(array.reshape(-1))  # type: ignore[arg-type]
