"""Sweep from sources up: each column is what one source adds to the stream, read by every target it passes.

The mirror image of the backward sweep, and the cheaper one where most nodes stand late in the
prompt: a source at the last position never leaves it. Sources join at the layer that they write
at; one more column carries all constants together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.attribution.chunks import joined_by, plan_chunks
from clew.attribution.frozen_attention import FrozenAttention
from clew.attribution.sources import Block, Sources, Targets


def sweep_forward(
    targets: Targets, sources: Sources, attention: Callable[[int], FrozenAttention], memory: int
) -> Iterator[Block]:
    """Yield blocks of whole columns, working in about `memory` bytes; the constants come last."""
    d_model, n_layers = targets.direction.shape[1], sources.n_layers
    chunks = plan_chunks(
        reach=sources.n_positions - sources.position,
        depth=n_layers - 1 - sources.layer,
        floats=2 * len(targets),
        floats_per_position=d_model + attention(0).scratch_floats(1, 1),
        memory=memory,
    )
    for chunk in chunks:
        yield _sweep_chunk(chunk, targets, sources, attention)
    yield _sweep_constants(targets, sources, attention)


def _sweep_chunk(
    chunk: Int[Tensor, " column"],
    targets: Targets,
    sources: Sources,
    attention: Callable[[int], FrozenAttention],
) -> Block:
    first = int(sources.position[chunk].min())
    n_positions, n_columns, n_layers = sources.n_positions - first, len(chunk), sources.n_layers
    stream = sources.embedding.new_zeros(n_positions, sources.embedding.shape[1], n_columns)
    weight = stream.new_zeros(len(targets), n_columns)
    scratch = stream.new_empty(attention(0).scratch_floats(n_positions, n_columns))
    slot = torch.full((sources.n_columns,), -1, device=chunk.device)
    slot[chunk] = torch.arange(n_columns, device=chunk.device)
    written_at_or_below = joined_by(n_layers - 1 - sources.layer[chunk], n_layers)[::-1]

    _add_columns(stream, first, slot[sources.token_columns(sources.n_positions)], sources.embedding)
    for layer in range(n_layers):
        under_way = written_at_or_below[layer]
        if under_way:
            active = stream[:, :, :under_way]
            attention(layer).add_forward(active, scratch)
            _read_at(layer, active, first, targets, weight[:, :under_way])
        writes = sources.writes[layer]
        _add_vectors(stream, first, slot[writes.feature], writes.position, writes.vector)
        errors = slot[sources.error_columns(layer, sources.n_positions)]
        _add_columns(stream, first, errors, sources.remainder[layer, sources.first_position :])
    _read_at(n_layers, stream, first, targets, weight)
    every_row = torch.arange(len(targets), device=chunk.device)
    return Block(target=every_row, column=chunk, weight=weight, constant=weight.new_zeros(len(targets)))


def _sweep_constants(
    targets: Targets, sources: Sources, attention: Callable[[int], FrozenAttention]
) -> Block:
    """One column for all biases and for everything that the sink position writes."""
    stream = sources.embedding.new_zeros(*sources.embedding.shape, 1)
    scratch = stream.new_empty(attention(0).scratch_floats(sources.n_positions, 1))
    constant = stream.new_zeros(len(targets), 1)
    sink = sources.first_position
    for layer in range(sources.n_layers):
        attention(layer).add_forward(stream, scratch)
        if (vector := sources.attention_constant[layer]) is not None:
            stream[:, :, 0] += vector
        _read_at(layer, stream, 0, targets, constant)
        stream[:sink, :, 0] += sources.remainder[layer, :sink]
        if (vector := sources.constant[layer]) is not None:
            stream[:, :, 0] += vector
    _read_at(sources.n_layers, stream, 0, targets, constant)
    nothing = torch.arange(0, device=stream.device)
    every_row = torch.arange(len(targets), device=stream.device)
    return Block(every_row, nothing, constant[:, :0], constant.squeeze(1))


def _read_at(
    layer: int,
    stream: Float[Tensor, "position d_model column"],
    first: int,
    targets: Targets,
    weight: Float[Tensor, "target column"],
) -> None:
    """What every target that reads at this layer sees of the sources under way."""
    for position, rows in targets.cells[layer] if layer < len(targets.cells) else ():
        if position >= first:
            torch.mm(targets.direction[rows], stream[position - first], out=weight[rows])


def _add_columns(stream: Tensor, first: int, slots: Tensor, vectors: Tensor) -> None:
    """Add one vector per position, ending at the last one, to the columns in `slots` (-1: not here)."""
    positions = torch.arange(
        stream.shape[0] + first - len(slots), stream.shape[0] + first, device=slots.device
    )
    _add_vectors(stream, first, slots, positions, vectors)


def _add_vectors(stream: Tensor, first: int, slots: Tensor, positions: Tensor, vectors: Tensor) -> None:
    here = torch.nonzero(slots >= 0).squeeze(1)
    if len(here):
        stream[positions[here] - first, :, slots[here]] += vectors[here]
