"""Arrays that may stay on disk: whole ones or single rows are read when they are needed.

A cross-layer decoder can be larger than memory, and of it only the rows of active features matter.
Rows are read, not mapped: a mapped page counts into the process's memory, a whole neighbourhood of
pages at a time.
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

from clew.errors import ClewError


class Weights(Protocol):
    """A float array."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def n_bytes(self) -> int: ...

    def read(self) -> Float[Tensor, "..."]:
        """All of it, in float32 on the CPU."""
        ...

    def rows(self, index: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        """Some rows in float32 on the CPU, all but the last dimension counted as one."""
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
    """An array that lies uncompressed in a file, row-major and little-endian, from `offset` on."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    transposed: bool = False
    """Whether the file holds a matrix the other way round: `shape` is then what `read` gives."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", self.path.absolute())  # the working folder may change

    @property
    def n_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    def read(self) -> Float[Tensor, "..."]:
        stored = self.shape[::-1] if self.transposed else self.shape
        found = self._empty(stored)
        with self._opened() as file:
            file.seek(self.offset)
            if file.readinto(_memory(found)) < found.nbytes:
                raise ClewError(f"{self.path} became shorter while it was read: fetch it again.")
        return (found.T if self.transposed else found).float()

    def rows(self, index: Int[Tensor, " row"]) -> Float[Tensor, "row width"]:
        if self.transposed:
            return self.read()[index]
        found = self._empty((len(index), self.shape[-1]))
        width = self.shape[-1] * self.dtype.itemsize
        memory = _memory(found)
        with self._opened() as file:
            for place, row, count in _runs(index):
                run = memory[place * width : (place + count) * width]
                if os.preadv(file.fileno(), [run], self.offset + row * width) < len(run):
                    raise ClewError(f"{self.path} became shorter while it was read: fetch it again.")
        return found.float()

    def _opened(self) -> BufferedReader:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise ClewError(
                f"{self.path} cannot be read any more ({error.strerror}): put it back."
            ) from error

    def _empty(self, shape: tuple[int, ...]) -> Tensor:
        return torch.empty(shape, dtype=self.dtype)


def transpose(weights: Weights) -> Weights:
    """A matrix with rows and columns exchanged; one on disk stays there."""
    if isinstance(weights, StoredWeights):
        return replace(weights, shape=weights.shape[::-1], transposed=not weights.transposed)
    return HeldWeights(weights.read().T if not isinstance(weights, HeldWeights) else weights.tensor.T)


@dataclass(frozen=True)
class ScaledWeights:
    """An array times a number, multiplied whenever it is read."""

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
        found = torch.empty(len(index), self.shape[-1])
        which = index.cpu() % len(self.matrices)
        for number, matrix in enumerate(self.matrices):
            chosen = torch.nonzero(which == number).squeeze(1)
            if len(chosen):
                found[chosen] = matrix.rows(index.cpu()[chosen] // len(self.matrices))
        return found


def _runs(index: Int[Tensor, " row"]) -> Iterator[tuple[int, int, int]]:
    """Neighbouring rows together: the place of the first, its number, how many."""
    breaks = (torch.nonzero(index.diff() != 1).squeeze(1) + 1).tolist()
    begins = [0, *breaks] if len(index) else []
    for begin, end, row in zip(begins, [*breaks, len(index)], index[begins].tolist(), strict=False):
        yield begin, row, end - begin


def _memory(tensor: Tensor) -> memoryview:
    """The bytes of a contiguous tensor, to be written to."""
    array: np.ndarray = tensor.view(torch.uint8).numpy() if tensor.numel() else np.empty(0, np.uint8)
    return memoryview(array.reshape(-1))  # type: ignore[arg-type]
