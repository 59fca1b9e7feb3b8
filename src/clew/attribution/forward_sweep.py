"""Sweep from sources up: each column is one source's write to the stream, read by every target it passes.

The mirror image of the backward sweep, and the cheaper one where most nodes stand late in the
prompt: a source at the last position never leaves it. Sources join at the layer that they write
at; one more column carries all constants together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.attribution.batches import EdgeBlock, joined_by, plan_batches
from clew.attribution.frozen_attention import FrozenAttention
from clew.attribution.sources import Sources
from clew.attribution.targets import Targets


def sweep_forward(
    targets: Targets, sources: Sources, attention: Callable[[int], FrozenAttention], memory: int
) -> Iterator[EdgeBlock]:
    """Yield blocks of whole columns, working in about `memory` bytes."""
    # The constants go through everything, as the first token does.
    layer = torch.cat([sources.layer, sources.layer.new_tensor([-1])])
    position = torch.cat([sources.position, sources.position.new_tensor([0])])
    depth = sources.n_layers - 1 - layer
    batches = plan_batches(
        reach=sources.n_positions - position,
        depth=depth,
        floats=2 * len(targets),
        floats_per_position=targets.direction.shape[1]
        + attention(0).scratch_floats(1, 1)
        + sources.skip_floats,
        memory=memory,
    )
    every_row = torch.arange(len(targets), device=layer.device)
    for batch in batches:
        first = int(position[batch].min())
        weight = _sweep_batch(
            batch, first, joined_by(depth[batch], sources.n_layers), targets, sources, attention
        )
        is_source = batch < sources.n_columns
        yield EdgeBlock(every_row, batch[is_source], weight[:, is_source], weight[:, ~is_source].sum(dim=1))


def _sweep_batch(
    batch: Int[Tensor, " column"],
    first: int,
    at_least_as_deep: list[int],
    targets: Targets,
    sources: Sources,
    attention: Callable[[int], FrozenAttention],
) -> Float[Tensor, "target column"]:
    """Effects of the batch's columns, whose streams start at position `first`, on all targets."""
    n_positions, n_columns = sources.n_positions - first, len(batch)
    stream = sources.embedding.new_zeros(n_positions, sources.embedding.shape[1], n_columns)
    weight = stream.new_zeros(len(targets), n_columns)
    scratch = stream.new_empty(attention(0).scratch_floats(n_positions, n_columns))
    buffer = stream.new_empty(sources.skip_floats * n_positions * n_columns)
    slot = torch.full((sources.n_columns + 1,), -1, device=batch.device)
    slot[batch] = torch.arange(n_columns, device=batch.device)
    constants = int(slot[-1])

    _add_run(stream, first, slot[sources.token_columns(sources.n_positions)], sources.embedding)
    skipped = None
    for layer in range(sources.n_layers):
        under_way = at_least_as_deep[sources.n_layers - layer]
        active = stream[:, :, :under_way]
        if targets.before_attention:
            skipped = _read_at_mlp(layer, active, first, targets, sources, weight, buffer)
        if under_way:
            attention(layer).add_forward(active, scratch)
        if constants >= 0:
            _add_constant(stream[:, :, constants], sources.attention_constant[layer])
        if not targets.before_attention:
            skipped = _read_at_mlp(layer, active, first, targets, sources, weight, buffer)
        if skipped is not None:
            active += skipped
        _write_at(layer, stream, first, slot, sources)
        if constants >= 0:
            _add_constant(stream[:, :, constants], sources.constant[layer])
            _add_constant(stream[:, :, constants], sources.remainder[layer, : sources.first_position])
    _read_at(sources.n_layers, stream, first, targets, weight)
    return weight


def _read_at_mlp(
    layer: int,
    active: Float[Tensor, "position d_model column"],
    first: int,
    targets: Targets,
    sources: Sources,
    weight: Float[Tensor, "target every_column"],
    buffer: Tensor,
) -> Float[Tensor, "position d_model column"] | None:
    """Fill in the effects on the layer's targets; returns the writes of its skip connection."""
    if not active.shape[2]:
        return None
    _read_at(layer, active, first, targets, weight[:, : active.shape[2]])
    skip = sources.skip[layer]
    return None if skip is None else skip.forward(active, buffer)


def _read_at(
    layer: int,
    stream: Float[Tensor, "position d_model column"],
    first: int,
    targets: Targets,
    weight: Float[Tensor, "target column"],
) -> None:
    """Fill in the effects of the sources under way on every target that reads at this layer."""
    if not stream.shape[2]:
        return
    for position, rows in targets.cells[layer] if layer < len(targets.cells) else ():
        if position >= first:
            torch.mm(targets.direction[rows], stream[position - first], out=weight[rows])


def _write_at(
    layer: int,
    stream: Float[Tensor, "position d_model column"],
    first: int,
    slot: Int[Tensor, " every_column"],
    sources: Sources,
) -> None:
    """Add this layer's features and errors to the sources under way."""
    writes = sources.writes[layer]
    _add_vectors(stream, first, slot[writes.feature], writes.position, writes.vector)
    errors = slot[sources.error_columns(layer, sources.n_positions)]
    _add_run(stream, first, errors, sources.remainder[layer, sources.first_position :])


def _add_run(stream: Tensor, first: int, slots: Tensor, vectors: Tensor) -> None:
    """Add one vector per position, ending at the last one, to the columns in `slots` (-1: not here)."""
    end = first + len(stream)
    _add_vectors(stream, first, slots, torch.arange(end - len(slots), end, device=slots.device), vectors)


def _add_vectors(stream: Tensor, first: int, slots: Tensor, positions: Tensor, vectors: Tensor) -> None:
    here = torch.nonzero(slots >= 0).squeeze(1)
    if len(here):
        stream[positions[here] - first, :, slots[here]] += vectors[here]


def _add_constant(column: Float[Tensor, "position d_model"], vector: Tensor | None) -> None:
    """Add to the constants' column, which covers the whole prompt, a vector at its first positions."""
    if vector is not None:
        column[: len(vector)] += vector
