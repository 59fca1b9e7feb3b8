"""The two sides of a row: what the residual stream is made of, and what reads it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.attribution.bypass import Bypass


@dataclass(frozen=True)
class Targets:
    """What is explained: directions that read the stream before a layer's MLP.

    Output targets read the final stream and have `layer = n_layers`. Sorted by layer, then position.
    """

    direction: Float[Tensor, "target d_model"]
    layer: Int[Tensor, " target"]
    position: Int[Tensor, " target"]
    before_attention: bool
    """Whether they read the stream before the layer's attention, because the MLP runs beside it."""

    def __len__(self) -> int:
        return len(self.layer)

    @cached_property
    def cells(self) -> list[list[tuple[int, slice]]]:
        """For each layer the positions that have targets, each with its run of targets."""
        found: list[list[tuple[int, slice]]] = [[] for _ in range(int(self.layer.max()) + 1)]
        keys = torch.stack([self.layer, self.position])
        unique, counts = torch.unique_consecutive(keys, dim=1, return_counts=True)
        begin = 0
        for layer, position, count in zip(*unique.tolist(), counts.tolist(), strict=True):
            found[layer].append((position, slice(begin, begin + count)))
            begin += count
        return found


@dataclass(frozen=True)
class Writes:
    """What the chosen features add to the stream at one layer, sorted by position."""

    feature: Int[Tensor, " writer"]
    position: Int[Tensor, " writer"]
    vector: Float[Tensor, "writer d_model"]
    """Decoder direction on the stream times activation."""

    @cached_property
    def by_position(self) -> list[tuple[int, Tensor, Tensor]]:
        """For each position that has writers: the position, their feature numbers, their vectors."""
        positions, counts = torch.unique_consecutive(self.position, return_counts=True)
        sizes = counts.tolist()
        split = zip(positions.tolist(), self.feature.split(sizes), self.vector.split(sizes), strict=True)
        return list(split)


@dataclass(frozen=True)
class Sources:
    """All that the stream is made of; columns are features, then errors (layer-major), then tokens.

    Positions before `first_position` (the sink) have no feature and error columns: their whole
    remainder counts into the constant.
    """

    feature_layer: Int[Tensor, " feature"]
    feature_position: Int[Tensor, " feature"]
    writes: tuple[Writes, ...]
    """Per layer."""
    remainder: Float[Tensor, "layer position d_model"]
    """What each MLP wrote less the chosen features and constants: the error nodes' vectors."""
    constant: tuple[Float[Tensor, "position d_model"] | None, ...]
    attention_constant: tuple[Float[Tensor, "position d_model"] | None, ...]
    bypass: tuple[Bypass | None, ...]
    """Skip connections by layer: no sources, but ways for those below."""
    embedding: Float[Tensor, "position d_model"]
    first_position: int

    @property
    def bypass_floats(self) -> int:
        """How many floats a bypass needs to work in, for each position and column."""
        return self.embedding.shape[1] if any(self.bypass) else 0

    @property
    def n_layers(self) -> int:
        return len(self.writes)

    @property
    def n_positions(self) -> int:
        return len(self.embedding)

    @property
    def n_columns(self) -> int:
        return len(self.layer)

    @cached_property
    def layer(self) -> Int[Tensor, " column"]:
        """The layer that each column (first) writes at; -1 for tokens."""
        errors = torch.arange(self.n_layers).repeat_interleave(self.n_positions - self.first_position)
        return self._columns(self.feature_layer, errors, torch.full((self.n_positions,), -1))

    @cached_property
    def position(self) -> Int[Tensor, " column"]:
        errors = torch.arange(self.first_position, self.n_positions).repeat(self.n_layers)
        return self._columns(self.feature_position, errors, torch.arange(self.n_positions))

    def _columns(self, features: Tensor, errors: Tensor, tokens: Tensor) -> Tensor:
        return torch.cat([features, errors.to(features.device), tokens.to(features.device)])

    def error_columns(self, layer: int, n_positions: int) -> slice:
        """Columns of a layer's errors at the first `n_positions` positions, those before nodes left out."""
        start = len(self.feature_layer) + layer * (self.n_positions - self.first_position)
        return slice(start, start + max(0, n_positions - self.first_position))

    def token_columns(self, n_positions: int) -> slice:
        start = self.n_columns - self.n_positions
        return slice(start, start + n_positions)


@dataclass(frozen=True)
class Block:
    """Finished direct effects of some sources on some targets, zero outside the causal cone."""

    target: Int[Tensor, " row"]
    column: Int[Tensor, " column"]
    weight: Float[Tensor, "row column"]
    constant: Float[Tensor, " row"]
    """What the constants add to these rows, as far as this block knows: to be summed over blocks."""
