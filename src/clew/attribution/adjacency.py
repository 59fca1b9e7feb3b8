"""Rows as they come out of the sweep, put in place as the edges of a graph (CSR over targets)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from clew.attribution.sweep import Block, Sources, Targets


@dataclass(frozen=True)
class Cell:
    """Targets at one (layer, position): consecutive rows that share the same possible sources."""

    layer: int
    position: int
    rows: slice


@dataclass(frozen=True)
class Adjacency:
    """Direct effects of all sources on all targets; a row holds every source in its causal cone."""

    offset: Int64[np.ndarray, " target_plus_1"]
    source: Int32[np.ndarray, " edge"]
    weight: Float32[np.ndarray, " edge"]
    constant: Float32[np.ndarray, " target"]


def assemble(
    targets: Targets, sources: Sources, source_cell: np.ndarray, blocks: Iterable[Block]
) -> Adjacency:
    """Gather swept blocks into one CSR array, allocated once at its final size.

    `source_cell` is `[column, 2]`: the layer that each source writes at (first) and its position;
    targets stand in node order.
    """
    cells = list(target_cells(targets))
    inside = [_cone(cell, source_cell) for cell in cells]
    per_row = np.concatenate(
        [
            np.full(cell.rows.stop - cell.rows.start, len(columns))
            for cell, columns in zip(cells, inside, strict=True)
        ]
    )
    offset = np.concatenate([[0], np.cumsum(per_row)]).astype(np.int64)
    source = np.empty(offset[-1], dtype=np.int32)
    weight = np.empty(offset[-1], dtype=np.float32)
    constant = np.empty(len(per_row), dtype=np.float32)
    cell_of_row = np.repeat(np.arange(len(cells)), [cell.rows.stop - cell.rows.start for cell in cells])
    for block in blocks:
        rows, columns = block.target.cpu().numpy(), block.weight.cpu().numpy()
        constant[rows] = block.constant.cpu().numpy()
        for first, last in _runs(cell_of_row[rows]):
            sources_here = inside[cell_of_row[rows[first]]]
            edges = slice(offset[rows[first]], offset[rows[last - 1] + 1])
            weight[edges] = columns[sources_here, first:last].T.ravel()
            source[edges] = np.tile(sources_here, last - first)
    return Adjacency(offset=offset, source=source, weight=weight, constant=constant)


def target_cells(targets: Targets) -> Iterator[Cell]:
    """The runs of targets that share layer and position."""
    layer, position = targets.layer.cpu().numpy(), targets.position.cpu().numpy()
    for first, last in _runs(layer * (position.max() + 1) + position):
        yield Cell(int(layer[first]), int(position[first]), slice(first, last))


def _cone(cell: Cell, source_cell: np.ndarray) -> Int32[np.ndarray, " source"]:
    below = (source_cell[:, 0] < cell.layer) & (source_cell[:, 1] <= cell.position)
    return np.flatnonzero(below).astype(np.int32)


def _runs(keys: np.ndarray) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of equal keys."""
    breaks = np.flatnonzero(np.diff(keys)) + 1
    begins = np.concatenate([[0], breaks])
    ends = np.concatenate([breaks, [len(keys)]])
    return zip(begins.tolist(), ends.tolist(), strict=True)
