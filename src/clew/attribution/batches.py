"""Batches of columns that are swept together: wide enough for speed, small enough for the memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

PREFERRED_COLUMNS = 192
"""Enough for matrix products to run at full rate; more only costs memory."""


@dataclass(frozen=True)
class EdgeBlock:
    """Direct effects of some sources on some targets, from one batch; zero outside the causal cone."""

    target: Int[Tensor, " row"]
    column: Int[Tensor, " column"]
    weight: Float[Tensor, "row column"]
    constant: Float[Tensor, " row"]
    """Share of the constants in these rows; the sum over all blocks is the whole."""


def plan_batches(
    reach: Int[Tensor, " column"],
    depth: Int[Tensor, " column"],
    floats: int,
    floats_per_position: int,
    memory: int,
) -> list[Int[Tensor, " column"]]:
    """Split columns into batches of similar reach that fit into `memory` bytes.

    `reach` is how many positions a column covers, `depth` how many layers it goes through; a column
    takes `floats + reach * floats_per_position` floats. Within a batch the deepest columns stand
    first, since they join first. A batch closes when it is full, or when it is wide enough for full
    speed and the reach changes.
    """
    order = torch.argsort(depth, stable=True, descending=True)
    order = order[torch.argsort(reach[order], stable=True, descending=True)]
    reaches, counts = torch.unique_consecutive(reach[order], return_counts=True)
    batches: list[Tensor] = []
    pending: list[Tensor] = []
    limit = 1
    for positions, columns in zip(reaches.tolist(), order.split(counts.tolist()), strict=True):
        if not pending:
            room = memory // (4 * (floats + positions * floats_per_position))
            limit = max(1, min(2 * PREFERRED_COLUMNS, room))
        pending.append(columns)
        if sum(map(len, pending)) >= min(limit, PREFERRED_COLUMNS):
            batches += torch.cat(pending).split(limit)
            pending = []
    if pending:
        batches += torch.cat(pending).split(limit)
    return [_deepest_first(batch, depth) for batch in batches]


def _deepest_first(batch: Tensor, depth: Tensor) -> Tensor:
    batch = batch.sort().values
    return batch[torch.argsort(depth[batch], stable=True, descending=True)]


def joined_by(depth: Int[Tensor, " column"], n_layers: int) -> list[int]:
    """For each depth from 0 to `n_layers`, the number of columns that go at least that deep."""
    counts = torch.bincount(depth, minlength=n_layers + 1)
    return counts.flip(0).cumsum(0).flip(0).tolist()
