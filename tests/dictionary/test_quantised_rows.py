"""Rows as packed integers: the error of each weight, the place of each bit, and the trial's layout."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.dictionary.quantised_rows import (
    BITS,
    bytes_per_row,
    expand_rows,
    groups_per_row,
    quantise_rows,
    round_rows,
)
from clew.errors import ClewError

SIZES = st.sampled_from([1e-9, 1e-6, 1e-3, 1.0, 1e3])


@st.composite
def matrices(draw: st.DrawFn) -> torch.Tensor:
    """Random rows whose groups differ in size by orders of magnitude."""
    shape = (*draw(st.sampled_from([(1,), (3,), (2, 3)])), draw(st.integers(1, 70)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    weights = torch.randn(shape, generator=generator) * draw(SIZES)
    return weights * torch.rand(shape, generator=generator) ** draw(st.sampled_from([0, 8]))


@settings(max_examples=150, deadline=None)
@given(matrices(), st.sampled_from(BITS), st.integers(1, 80))
def test_no_weight_errs_by_more_than_half_a_scale(weights, bits, group):
    packed, scale = quantise_rows(weights, bits, group)
    width = weights.shape[-1]
    assert (packed.dtype, scale.dtype) == (torch.uint8, torch.float16)
    assert packed.shape == (*weights.shape[:-1], bytes_per_row(width, bits))
    assert scale.shape == (*weights.shape[:-1], groups_per_row(width, group))
    expanded = expand_rows(packed, scale, bits, width, group)
    step = scale.float().repeat_interleave(group, -1)[..., :width]
    assert ((expanded - weights).abs() <= step / 2 * (1 + 1e-5)).all()
    assert torch.equal(expanded, round_rows(weights, bits, group))


@settings(max_examples=60, deadline=None)
@given(matrices(), st.sampled_from(BITS), st.sampled_from([1, 5, 64]))
def test_number_j_takes_the_bits_from_j_times_bits_on(weights, bits, group):
    packed, scale = quantise_rows(weights, bits, group)
    width = weights.shape[-1]
    rows = expand_rows(packed, scale, bits, width, group).reshape(-1, width)
    steps = scale.float().repeat_interleave(group, -1)[..., :width].reshape(-1, width)
    for row, step, values in zip(packed.reshape(-1, packed.shape[-1]), steps, rows, strict=True):
        stream = int.from_bytes(bytes(row.tolist()), "little")
        numbers = [(stream >> (bits * j)) % 2**bits - 2 ** (bits - 1) for j in range(width)]
        assert torch.equal(torch.tensor(numbers).float() * step, values)
        assert stream >> (bits * width) == 0


@pytest.mark.parametrize("bits", BITS)
def test_what_was_rounded_once_is_rounded_to_itself(bits):
    packed, scale = quantise_rows(torch.randn(50, 3, 100), bits)
    again = quantise_rows(expand_rows(packed, scale, bits, 100), bits)
    assert torch.equal(again[0], packed)
    assert torch.equal(again[1], scale)


def test_four_bits_are_two_numbers_a_byte_the_low_half_first():
    packed, scale = quantise_rows(torch.tensor([[7.0, -7.0, 0.0, 3.0, 1.0]]), 4)
    assert packed.tolist() == [[15 | 1 << 4, 8 | 11 << 4, 9]]
    assert scale.tolist() == [[1.0]]


def test_groups_of_zeros_stay_zero():
    weights = torch.cat([torch.zeros(1, 64), torch.full((1, 64), 7.0)], 1)
    assert torch.equal(round_rows(weights, 4), weights)
    assert quantise_rows(weights, 4)[1][0, 0] == 0


def test_a_gradient_passes_straight_through():
    weights = torch.randn(3, 10, requires_grad=True)
    rounded = weights + (round_rows(weights, 3, 4) - weights).detach()
    rounded.square().sum().backward()
    assert weights.grad is not None
    assert torch.allclose(weights.grad, 2 * rounded.detach())


def test_weights_beyond_the_largest_scale_are_refused():
    with pytest.raises(ClewError, match=r"as large as 1e\+06 cannot be saved in 4 bits"):
        quantise_rows(torch.tensor([[1e6]]), 4)
    with pytest.raises(ClewError, match="as large as nan"):
        quantise_rows(torch.tensor([[float("nan")]]), 4)
