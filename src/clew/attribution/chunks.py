"""Which columns are swept together, so that products are wide and no position is carried in vain."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

PREFERRED_COLUMNS = 192
"""Enough for matrix products to run at full rate; more only costs memory."""


def plan_chunks(
    reach: Int[Tensor, " column"],
    depth: Int[Tensor, " column"],
    floats: int,
    floats_per_position: int,
    memory: int,
) -> list[Int[Tensor, " column"]]:
    """Split columns into chunks of similar reach that fit into `memory` bytes.

    `reach` is how many positions a column covers, `depth` how many layers it goes through; a column
    takes `floats + reach * floats_per_position` floats. Within a chunk the deepest columns stand
    first, since they join first. A chunk closes when it is full, or when it is wide enough for full
    speed and the reach changes.
    """
    order = torch.argsort(depth, stable=True, descending=True)
    order = order[torch.argsort(reach[order], stable=True, descending=True)]
    reaches, counts = torch.unique_consecutive(reach[order], return_counts=True)
    chunks: list[Tensor] = []
    pending: list[Tensor] = []
    limit = 1
    for positions, columns in zip(reaches.tolist(), order.split(counts.tolist()), strict=True):
        if not pending:
            room = memory // (4 * (floats + positions * floats_per_position))
            limit = max(1, min(2 * PREFERRED_COLUMNS, room))
        pending.append(columns)
        if sum(map(len, pending)) >= min(limit, PREFERRED_COLUMNS):
            chunks += torch.cat(pending).split(limit)
            pending = []
    if pending:
        chunks += torch.cat(pending).split(limit)
    return [_deepest_first(chunk, depth) for chunk in chunks]


def _deepest_first(chunk: Tensor, depth: Tensor) -> Tensor:
    chunk = chunk.sort().values
    return chunk[torch.argsort(depth[chunk], stable=True, descending=True)]


def joined_by(depth: Int[Tensor, " column"], n_layers: int) -> list[int]:
    """For each depth from 0 to `n_layers`: how many columns go at least that deep."""
    counts = torch.bincount(depth, minlength=n_layers + 1)
    return counts.flip(0).cumsum(0).flip(0).tolist()
