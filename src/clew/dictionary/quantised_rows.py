"""Rows of weights as integers of 2 to 8 bits, packed into bytes, with a scale for each group of a row.

For each `group` neighbours of a row (the last group may be shorter), with `m = 2^(bits - 1) - 1`:

    scale = max |w| / m, rounded to half precision; to the next larger one if max |w| > (m + 1/2) scale
    q     = round(w / scale), clamped to -m ... m; 0 where the scale is 0
    w     ~ q scale, which errs by half a scale at most

`q + 2^(bits - 1)` is stored: number j of a row takes the bits from `j bits` on, counted through the row's
bytes from the lowest bit of the first. So 8 bits are one number a byte, 4 bits two, the low half first. A row
ends with a whole byte.

All functions work on the last dimension of an array, on any device.
"""

from __future__ import annotations

from math import gcd

import torch
from jaxtyping import Float, Float16, UInt8
from torch import Tensor

from clew.dictionary.settings import SaveSettings
from clew.errors import ClewError

BITS = range(2, 9)
"""The widths of integers that rows can have."""
GROUP = SaveSettings.group
"""The default number of weights that share a scale."""
LARGEST = torch.finfo(torch.float16).max
SMALLEST_NORMAL = torch.finfo(torch.float16).smallest_normal


def quantise_rows(
    weights: Float[Tensor, "... width"], bits: int, group: int = GROUP
) -> tuple[UInt8[Tensor, "... byte"], Float16[Tensor, "... group"]]:
    """Packed integers and scales of rows; raises `ClewError` for weights too large for a scale."""
    levels, scale = _levels(weights, bits, group)
    return _pack((levels + 2 ** (bits - 1)).to(torch.uint8), bits), scale.half()


def expand_rows(
    packed: UInt8[Tensor, "... byte"],
    scale: Float[Tensor, "... group"],
    bits: int,
    width: int,
    group: int = GROUP,
) -> Float[Tensor, "... width"]:
    """Rows in float32 from packed integers and scales."""
    levels = _unpack(packed, bits, width).float().sub_(2 ** (bits - 1))
    return _times_scale(levels, scale.float(), group)


def round_rows(
    weights: Float[Tensor, "... width"], bits: int, group: int = GROUP
) -> Float[Tensor, "... width"]:
    """`expand_rows` of `quantise_rows`, without packing; for a gradient, pass it straight through:

    ```python
    weights + (round_rows(weights, 4) - weights).detach()
    ```
    """
    return _times_scale(*_levels(weights, bits, group), group)


def groups_are_full(
    weights: Float[Tensor, "row width"], scale: Float[Tensor, "row group"], bits: int, group: int
) -> bool:
    """True if every group of expanded rows reaches `m`, as those of `quantise_rows` do.

    With another number of neighbours than the rows were packed with, some groups do not. Scales too small
    for half precision do not count.
    """
    missing = -weights.shape[-1] % group
    padded = torch.nn.functional.pad(weights, (0, missing)).unflatten(-1, (-1, group))
    most = padded.abs().amax(-1) > (2 ** (bits - 1) - 1.5) * scale
    return bool((most | (scale < SMALLEST_NORMAL)).all())


def bytes_per_row(width: int, bits: int) -> int:
    return -(-width * bits // 8)


def groups_per_row(width: int, group: int) -> int:
    return -(-width // group)


@torch.no_grad()
def _levels(
    weights: Float[Tensor, "... width"], bits: int, group: int
) -> tuple[Float[Tensor, "... width"], Float[Tensor, "... group"]]:
    """Integers from -m to m, and the scales in half precision, both as float32."""
    most = 2 ** (bits - 1) - 1
    weights = weights.float()
    missing = -weights.shape[-1] % group
    padded = torch.nn.functional.pad(weights, (0, missing)).unflatten(-1, (-1, group))
    largest = padded.abs().amax(-1)
    if not bool((largest <= LARGEST * most).all()):
        raise ClewError(
            f"Weights as large as {float(largest.max()):.3g} cannot be saved in {bits} bits, since their "
            f"scales are half-precision numbers up to {LARGEST:.0f}; save without bits."
        )
    scale = (largest / most).half()
    scale = torch.where(largest > scale.float() * (most + 0.5), _next_larger(scale), scale).float()
    levels = (padded / torch.where(scale > 0, scale, 1)[..., None]).round()
    levels = levels.clamp_(-most, most).flatten(-2)
    return levels[..., : weights.shape[-1]], scale


def _next_larger(half: Float16[Tensor, "..."]) -> Float16[Tensor, "..."]:
    """The next half-precision number above one that is not negative."""
    return (half.view(torch.int16) + 1).view(torch.float16)


def _times_scale(
    levels: Float[Tensor, "... width"], scale: Float[Tensor, "... group"], group: int
) -> Float[Tensor, "... width"]:
    """Multiply in place, and return the rows."""
    whole = levels.shape[-1] // group
    levels[..., : whole * group].unflatten(-1, (whole, group)).mul_(scale[..., :whole, None])
    levels[..., whole * group :].mul_(scale[..., whole:])
    return levels


def _period(bits: int) -> tuple[int, int]:
    """The numbers and the bytes after which the places of bits repeat."""
    shared = gcd(bits, 8)
    return 8 // shared, bits // shared


def _pack(numbers: UInt8[Tensor, "... width"], bits: int) -> UInt8[Tensor, "... byte"]:
    n_numbers, n_bytes = _period(bits)
    width = numbers.shape[-1]
    numbers = torch.nn.functional.pad(numbers, (0, -width % n_numbers)).unflatten(-1, (-1, n_numbers))
    packed = numbers.new_zeros(*numbers.shape[:-1], n_bytes)
    for number in range(n_numbers):
        byte, shift = divmod(number * bits, 8)
        packed[..., byte] |= numbers[..., number] << shift
        if shift + bits > 8:
            packed[..., byte + 1] |= numbers[..., number] >> (8 - shift)
    return packed.flatten(-2)[..., : bytes_per_row(width, bits)].contiguous()


def _unpack(packed: UInt8[Tensor, "... byte"], bits: int, width: int) -> UInt8[Tensor, "... width"]:
    n_numbers, n_bytes = _period(bits)
    missing = -packed.shape[-1] % n_bytes
    packed = torch.nn.functional.pad(packed, (0, missing)) if missing else packed  # which would copy it
    packed = packed.unflatten(-1, (-1, n_bytes))
    numbers = packed.new_empty(*packed.shape[:-1], n_numbers)
    for number in range(n_numbers):
        byte, shift = divmod(number * bits, 8)
        value = packed[..., byte] >> shift
        if shift + bits > 8:
            value |= packed[..., byte + 1] << (8 - shift)
        numbers[..., number] = value & (2**bits - 1)
    return numbers.flatten(-2)[..., :width]
