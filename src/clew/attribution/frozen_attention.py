"""One attention block with its pattern and norms held fixed: three matrix products, run either way.

Streams and gradients are laid out `[position, d_model, column]`: columns last, so that every step is
a dense product with contiguous columns, and any leading run of columns is a plain view.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

CAUSAL_BLOCK = 64
"""Positions per product of the mixing step; positions outside a block's causal reach are skipped."""


@dataclass(frozen=True)
class FrozenAttention:
    """A block adds `output^T pattern value^T stream` to the stream, norms folded in."""

    output: Float[Tensor, "head_width d_model"]
    """`W_O^T` behind the post-norm's gain; heads stacked along the rows."""
    pattern: Float[Tensor, "head position position"]
    """Attention times both frozen scales: the post-norm's per row, the input norm's per column."""
    value: Float[Tensor, "d_model value_width"]
    """The input norm's gain times `W_V^T`; heads that share a value head share its columns."""

    def scratch_floats(self, n_positions: int, n_columns: int) -> int:
        """Number of floats that either direction needs to work in."""
        return n_positions * (self.output.shape[0] + self.value.shape[1]) * n_columns

    def add_backward(self, gradient: Float[Tensor, "position d_model column"], scratch: Tensor) -> None:
        """Carry gradients from the block's output to its input, added in place.

        The gradients cover the first positions of the prompt.
        """
        n_positions = len(gradient)
        at_heads, at_values = self._views(scratch, n_positions, gradient.shape[2])
        torch.bmm(self.output.expand(n_positions, -1, -1), gradient, out=at_heads)
        heads, values = self._heads(at_heads), self._value_heads(at_values)
        pattern = self._shared(self.pattern[:, :n_positions, :n_positions].transpose(1, 2))
        for attended in _blocks(n_positions):
            later = slice(attended.start, n_positions)
            for sharer in range(heads.shape[1]):
                factors = pattern[:, sharer, attended, later], heads[:, sharer, later]
                into = values[:, attended]
                torch.baddbmm(into, *factors, beta=min(sharer, 1), out=into)
        torch.baddbmm(gradient, self.value.expand(n_positions, -1, -1), at_values, out=gradient)

    def add_forward(self, stream: Float[Tensor, "position d_model column"], scratch: Tensor) -> None:
        """Add the block's writes to streams at its input, in place.

        The streams cover the last positions of the prompt; before these they are zero.
        """
        n_positions = len(stream)
        at_heads, at_values = self._views(scratch, n_positions, stream.shape[2])
        torch.bmm(self.value.T.expand(n_positions, -1, -1), stream, out=at_values)
        heads, values = self._heads(at_heads), self._value_heads(at_values)
        pattern = self._shared(self.pattern[:, -n_positions:, -n_positions:])
        for attending in _blocks(n_positions):
            earlier = slice(0, attending.stop)
            for sharer in range(heads.shape[1]):
                factors = pattern[:, sharer, attending, earlier], values[:, earlier]
                torch.bmm(*factors, out=heads[:, sharer, attending])
        torch.baddbmm(stream, self.output.T.expand(n_positions, -1, -1), at_heads, out=stream)

    def _views(self, scratch: Tensor, n_positions: int, n_columns: int) -> tuple[Tensor, Tensor]:
        """Room for `[position, head_width, column]` and `[position, value_width, column]`."""
        sizes = [n_positions * width * n_columns for width in (self.output.shape[0], self.value.shape[1])]
        at_heads, at_values = scratch[: sum(sizes)].split(sizes)
        return (
            at_heads.view(n_positions, self.output.shape[0], n_columns),
            at_values.view(n_positions, self.value.shape[1], n_columns),
        )

    def _heads(self, at_heads: Tensor) -> Tensor:
        """The heads as `[value head, sharer, position, head_dim * column]`."""
        split = at_heads.unflatten(1, (self.n_value_heads, -1, self.head_dim)).flatten(3)
        return split.permute(1, 2, 0, 3)

    def _value_heads(self, at_values: Tensor) -> Tensor:
        """The value heads as `[value head, position, head_dim * column]`."""
        return at_values.unflatten(1, (self.n_value_heads, self.head_dim)).flatten(2).transpose(0, 1)

    def _shared(self, pattern: Tensor) -> Tensor:
        """The pattern as `[value head, sharer, position, position]`."""
        return pattern.unflatten(0, (self.n_value_heads, -1))

    @property
    def head_dim(self) -> int:
        return self.output.shape[0] // self.pattern.shape[0]

    @property
    def n_value_heads(self) -> int:
        return self.value.shape[1] // self.head_dim


def _blocks(n_positions: int) -> Iterator[slice]:
    for first in range(0, n_positions, CAUSAL_BLOCK):
        yield slice(first, min(first + CAUSAL_BLOCK, n_positions))
