"""Sweep from targets down: each column is a target's gradient, read off at every write point it passes.

Columns start at the top with the outputs; targets join when the sweep passes the layer that they
read from, always behind those under way. Nothing above a target or to its right is computed, and
no autograd graph is kept.
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


def sweep_backward(
    targets: Targets, sources: Sources, attention: Callable[[int], FrozenAttention], memory: int
) -> Iterator[EdgeBlock]:
    """Yield blocks of whole rows, working in about `memory` bytes."""
    d_model = targets.direction.shape[1]
    batches = plan_batches(
        reach=targets.position + 1,
        depth=targets.layer,
        floats=2 * sources.n_columns,
        floats_per_position=d_model + attention(0).scratch_floats(1, 1) + sources.skip_floats,
        memory=memory,
    )
    for batch in batches:
        yield _sweep_batch(batch, targets, sources, attention)


def _sweep_batch(
    batch: Int[Tensor, " row"],
    targets: Targets,
    sources: Sources,
    attention: Callable[[int], FrozenAttention],
) -> EdgeBlock:
    direction, position = targets.direction[batch], targets.position[batch]
    n_positions, n_rows = int(position.max()) + 1, len(batch)
    gradient = direction.new_zeros(n_positions, direction.shape[1], n_rows)
    weight = direction.new_zeros(sources.n_columns, n_rows)
    constant = direction.new_zeros(n_rows)
    scratch = direction.new_empty(attention(0).scratch_floats(n_positions, n_rows))
    buffer = direction.new_empty(sources.skip_floats * n_positions * n_rows)
    reading_at_or_above = [*joined_by(targets.layer[batch], sources.n_layers), 0]

    for layer in range(sources.n_layers, -1, -1):
        above, here = reading_at_or_above[layer + 1], reading_at_or_above[layer]
        skipped = None
        if layer < sources.n_layers and above:
            active = gradient[:, :, :above]
            _read_off(layer, active, sources, weight[:, :above], constant[:above])
            if skip := sources.skip[layer]:
                skipped = skip.backward(active, buffer)
                if not targets.before_attention:
                    active += skipped
        joining = torch.arange(above, here, device=batch.device)
        gradient[position[joining], :, joining] += direction[joining]
        through = above if targets.before_attention else here
        if layer < sources.n_layers and through:
            active = gradient[:, :, :through]
            _add_constant(sources.attention_constant[layer], active, constant[:through])
            attention(layer).add_backward(active, scratch)
        if skipped is not None and targets.before_attention:
            gradient[:, :, :above] += skipped
    weight[sources.token_columns(n_positions)] = _dot(sources.embedding[:n_positions], gradient)
    every_column = torch.arange(sources.n_columns, device=batch.device)
    return EdgeBlock(target=batch, column=every_column, weight=weight.T, constant=constant)


def _read_off(
    layer: int,
    gradient: Float[Tensor, "position d_model row"],
    sources: Sources,
    weight: Float[Tensor, "column row"],
    constant: Float[Tensor, " row"],
) -> None:
    """Add the effects of every source that writes at this layer on the targets under way."""
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


def _dot(vector: Tensor, gradient: Tensor) -> Float[Tensor, "position row"]:
    """Inner product at each position of one vector with every column's gradient."""
    return torch.bmm(vector.unsqueeze(1), gradient).squeeze(1)
