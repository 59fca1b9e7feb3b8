"""The causal-cone sweep: direct effects of every source on every target, by dense matrix products.

Targets are swept in chunks. A chunk holds targets of neighbouring positions; its gradient covers
the positions up to the highest of them. It starts at the top with the outputs and moves down one
layer at a time; targets join when the sweep passes the layer that they read from, always behind
those already there, so the targets under way are a leading run of columns. No autograd graph is
kept, and nothing above a target or to its right is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.attribution.linear import FrozenAttention

PREFERRED_TARGETS = 256
"""Enough columns for matrix products to run at full rate; more only costs memory."""


@dataclass(frozen=True)
class Targets:
    """What is explained: directions that read the stream, output targets with `layer = n_layers`."""

    direction: Float[Tensor, "target d_model"]
    layer: Int[Tensor, " target"]
    position: Int[Tensor, " target"]


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
        return list(zip(positions.tolist(), self.feature.split(sizes), self.vector.split(sizes), strict=True))


@dataclass(frozen=True)
class Sources:
    """All that the stream is made of; columns are features, then errors (layer-major), then tokens.

    Positions before `first_position` (the sink) have no feature and error columns: their whole
    remainder counts into the constant.
    """

    n_features: int
    writes: tuple[Writes, ...]
    remainder: Float[Tensor, "layer position d_model"]
    """What each MLP wrote less the chosen features and constants: the error nodes' vectors."""
    constant: tuple[Float[Tensor, "position d_model"] | None, ...]
    attention_constant: tuple[Float[Tensor, "position d_model"] | None, ...]
    embedding: Float[Tensor, "position d_model"]
    first_position: int

    @property
    def n_layers(self) -> int:
        return len(self.writes)

    @property
    def n_positions(self) -> int:
        return len(self.embedding)

    @property
    def errors_per_layer(self) -> int:
        return self.n_positions - self.first_position

    @property
    def n_columns(self) -> int:
        return self.n_features + self.n_layers * self.errors_per_layer + self.n_positions

    def error_columns(self, layer: int, n_positions: int) -> slice:
        """Columns of a layer's errors at the first positions that are nodes, up to `n_positions`."""
        start = self.n_features + layer * self.errors_per_layer
        return slice(start, start + n_positions - self.first_position)

    def token_columns(self, n_positions: int) -> slice:
        start = self.n_features + self.n_layers * self.errors_per_layer
        return slice(start, start + n_positions)


@dataclass(frozen=True)
class Block:
    """Finished rows: `weight[column, k]` is the direct effect of a source on target `target[k]`."""

    target: Int[Tensor, " row"]
    weight: Float[Tensor, "column row"]
    constant: Float[Tensor, " row"]


def sweep(
    targets: Targets,
    sources: Sources,
    attention: Callable[[int], FrozenAttention],
    memory: int,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Iterator[Block]:
    """Yield the rows of all targets, a chunk at a time, working in at most about `memory` bytes.

    `attention` gives a layer's frozen block; `on_rows` is told how many rows each chunk finished.
    """
    for chunk in plan_chunks(targets, sources, attention(0), memory):
        yield _sweep_chunk(chunk, targets, sources, attention)
        on_rows(len(chunk))


def plan_chunks(
    targets: Targets, sources: Sources, attention: FrozenAttention, memory: int
) -> list[Int[Tensor, " row"]]:
    """Split the targets into chunks of neighbouring positions that fit into `memory` bytes.

    Within a chunk targets stand from the top layer down, then by position. A chunk closes when it is
    full, or when it is wide enough for full speed and the position changes.
    """
    order = torch.argsort(targets.layer, stable=True, descending=True)
    order = order[torch.argsort(targets.position[order], stable=True, descending=True)]
    positions, counts = torch.unique_consecutive(targets.position[order], return_counts=True)
    chunks, pending = [], []
    limit = 0
    for position, rows in zip(positions.tolist(), order.split(counts.tolist()), strict=True):
        if not pending:
            limit = _most_targets(position + 1, targets.direction.shape[1], sources, attention, memory)
        pending.append(rows)
        if sum(map(len, pending)) >= min(limit, PREFERRED_TARGETS):
            chunks += torch.cat(pending).split(limit)
            pending = []
    if pending:
        chunks += torch.cat(pending).split(limit)
    return [_top_down(chunk, targets) for chunk in chunks]


def _most_targets(
    n_positions: int, d_model: int, sources: Sources, attention: FrozenAttention, memory: int
) -> int:
    floats = n_positions * d_model + attention.scratch_floats(n_positions, 1) + sources.n_columns
    return min(2 * PREFERRED_TARGETS, max(1, memory // (4 * floats)))


def _top_down(chunk: Tensor, targets: Targets) -> Tensor:
    chunk = chunk.sort().values
    chunk = chunk[torch.argsort(targets.position[chunk], stable=True)]
    return chunk[torch.argsort(targets.layer[chunk], stable=True, descending=True)]


def _sweep_chunk(
    chunk: Tensor, targets: Targets, sources: Sources, attention: Callable[[int], FrozenAttention]
) -> Block:
    direction, layer, position = targets.direction[chunk], targets.layer[chunk], targets.position[chunk]
    n_positions, n_rows = int(position.max()) + 1, len(chunk)
    gradient = direction.new_zeros(n_positions, direction.shape[1], n_rows)
    weight = direction.new_zeros(sources.n_columns, n_rows)
    constant = direction.new_zeros(n_rows)
    scratch = direction.new_empty(attention(0).scratch_floats(n_positions, n_rows))
    joined_by = _running_count(layer, sources.n_layers)

    under_way = 0
    for current in range(sources.n_layers, -1, -1):
        if current < sources.n_layers and under_way:
            active = gradient[:, :, :under_way]
            _collect_layer(current, active, sources, weight[:, :under_way], constant[:under_way])
        joining = torch.arange(under_way, joined_by[current], device=chunk.device)
        gradient[position[joining], :, joining] += direction[joining]
        under_way = joined_by[current]
        if current < sources.n_layers and under_way:
            active = gradient[:, :, :under_way]
            _add_constant(sources.attention_constant[current], active, constant[:under_way])
            attention(current).add_pull_back(active, scratch)
    weight[sources.token_columns(n_positions)] = _dot(sources.embedding[:n_positions], gradient)
    return Block(target=chunk, weight=weight, constant=constant)


def _running_count(layer: Tensor, n_layers: int) -> list[int]:
    """For each layer, how many targets read at it or above."""
    counts = torch.bincount(layer, minlength=n_layers + 1)
    return counts.flip(0).cumsum(0).flip(0).tolist()


def _collect_layer(layer: int, gradient: Tensor, sources: Sources, weight: Tensor, constant: Tensor) -> None:
    """Read off what every source that writes at this layer does to the targets under way."""
    n_positions, first = len(gradient), sources.first_position
    for position, features, vectors in sources.writes[layer].by_position:
        if position >= n_positions:
            break
        weight[features] += vectors @ gradient[position]
    remainder = _dot(sources.remainder[layer, :n_positions], gradient)
    weight[sources.error_columns(layer, n_positions)] = remainder[first:]
    constant += remainder[:first].sum(dim=0)
    _add_constant(sources.constant[layer], gradient, constant)


def _add_constant(vector: Tensor | None, gradient: Tensor, constant: Tensor) -> None:
    if vector is not None:
        constant += _dot(vector[: len(gradient)], gradient).sum(dim=0)


def _dot(vector: Tensor, gradient: Tensor) -> Float[Tensor, "position target"]:
    """Inner product at each position of one vector with every target's gradient."""
    return torch.bmm(vector.unsqueeze(1), gradient).squeeze(1)
