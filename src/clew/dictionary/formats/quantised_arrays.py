"""Matrices as packed integers with scales: clew's own variant of circuit-tracer's folders.

A matrix `NAME` of floats `[..., width]` becomes `NAME`, bytes `[..., bytes of a row]`, and beside it
`NAME_scale`, half precision `[..., groups of a row]`; `clew.dictionary.quantised_rows` says what they mean.
config.yaml says `clew_bits` and `clew_group`. A file named `layer_N.int4.safetensors` says its bits itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from clew.dictionary.formats import config_yaml
from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.array_writer import WrittenArray
from clew.dictionary.quantised_rows import BITS, GROUP, bytes_per_row, groups_per_row, quantise_rows
from clew.dictionary.weights import QuantisedWeights, Weights
from clew.errors import ClewError


@dataclass(frozen=True)
class RowFormat:
    """The width of packed integers, and the number of weights that share a scale."""

    bits: int
    group: int = GROUP

    def __post_init__(self) -> None:
        if type(self.bits) is not int or self.bits not in BITS:
            raise ClewError(
                f"Weights can have {BITS[0]} to {BITS[-1]} bits, not {self.bits!r}; choose one of these, or "
                "leave bits out to save floats."
            )
        if type(self.group) is not int or self.group < 1:
            raise ClewError(f"A group is a number of weights from 1, not {self.group!r}; correct it.")


def scale_of(name: str) -> str:
    """The name of the array of a matrix's scales."""
    return f"{name}_scale"


def bits_in(name: str) -> int | None:
    """The bits in the name of a file such as `layer_3.int4.safetensors`; None without one."""
    match = re.search(r"\.int(\d)\.safetensors$", name)
    return int(match[1]) if match else None


def row_format(config: config_yaml.SetConfig | None, path: Path) -> RowFormat | None:
    """The format of a file's packed rows; None if nothing says it.

    Raises `ClewError` where the name and config.yaml differ.
    """
    named, stated = bits_in(path.name), config.bits if config else None
    if config and named and stated and named != stated:
        raise ClewError(
            f"{path} has {named} bits by its name, but {config.path} says {config_yaml.BITS}: {stated}; "
            "correct one of the two."
        )
    bits = stated or named
    return None if bits is None else RowFormat(bits, (config.group if config else None) or GROUP)


def read_matrix(file: ArrayFile, name: str, *shape: int, rows: RowFormat | None) -> Weights:
    """A matrix that must exist in this shape, in floats or in packed integers."""
    if not is_packed(file, name):
        return file.weights(name, *shape)
    if rows is None:
        raise ClewError(
            f"{file.path} holds {name} in packed integers, but no config.yaml says of how many bits; add "
            f"{config_yaml.BITS} to it."
        )
    packed = file.bytes_of(name)
    *counts, width = shape
    expected = (*counts, bytes_per_row(width, rows.bits))
    if packed.shape != expected:
        raise ClewError(
            f"{file.path} holds {name} in the shape {list(packed.shape)}, but with {rows.bits} bits the "
            f"other arrays need {list(expected)}; correct {config_yaml.BITS}, or fetch all files from the "
            "same set."
        )
    scale = file.weights(scale_of(name), *counts, None)
    if scale.shape[-1] != groups_per_row(width, rows.group):
        raise ClewError(
            f"{file.path} holds {scale.shape[-1]} scales for a row of {name}, but {width} weights in groups "
            f"of {rows.group} need {groups_per_row(width, rows.group)}; correct {config_yaml.GROUP}."
        )
    return QuantisedWeights(packed, scale, width, rows.bits, rows.group)


def is_packed(file: ArrayFile, name: str) -> bool:
    return name in file and file.entries[name].kind == "U8"


def packed_arrays(name: str, matrix: WrittenArray, rows: RowFormat | None) -> Mapping[str, WrittenArray]:
    """A matrix to write, in floats for no format; else it is read once for integers and once for scales."""
    if rows is None:
        return {name: matrix}
    *counts, width = matrix.shape

    def part(number: int) -> Callable[[], Iterator[Tensor]]:
        return lambda: (quantise_rows(piece, rows.bits, rows.group)[number] for piece in matrix.pieces())

    return {
        name: WrittenArray((*counts, bytes_per_row(width, rows.bits)), torch.uint8, part(0)),
        scale_of(name): WrittenArray((*counts, groups_per_row(width, rows.group)), torch.float16, part(1)),
    }
