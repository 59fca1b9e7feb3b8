"""Direct effects as they come out of a sweep, put in place as the edges of a graph (CSR over targets)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from clew.attribution.sources import Block, Sources, Targets


@dataclass(frozen=True)
class Adjacency:
    """Direct effects of all sources on all targets; a row holds every source in its causal cone."""

    offset: Int64[np.ndarray, " target_plus_1"]
    source: Int32[np.ndarray, " edge"]
    weight: Float32[np.ndarray, " edge"]
    constant: Float32[np.ndarray, " target"]


def assemble(targets: Targets, sources: Sources, blocks: Iterable[Block]) -> Adjacency:
    """Gather swept blocks into one CSR array, allocated once at its final size.

    Targets at one layer and position have the same causal cone, so their rows are filled together.
    """
    layer, position = sources.layer.cpu().numpy(), sources.position.cpu().numpy()
    cells = [
        (rows, np.flatnonzero((layer < target_layer) & (position <= target_position)).astype(np.int32))
        for target_layer, at_layer in enumerate(targets.cells)
        for target_position, rows in at_layer
    ]
    per_row = np.concatenate([np.full(rows.stop - rows.start, len(cone)) for rows, cone in cells])
    offset = np.concatenate([[0], np.cumsum(per_row)]).astype(np.int64)
    found = Adjacency(
        offset=offset,
        source=np.empty(offset[-1], dtype=np.int32),
        weight=np.zeros(offset[-1], dtype=np.float32),
        constant=np.zeros(len(targets), dtype=np.float32),
    )
    for rows, cone in cells:
        found.source[offset[rows.start] : offset[rows.stop]] = np.tile(cone, rows.stop - rows.start)
    cell_of_row = np.repeat(np.arange(len(cells)), [rows.stop - rows.start for rows, _ in cells])
    for block in blocks:
        _fill(found, block, cell_of_row, [cone for _, cone in cells])
    return found


def _fill(found: Adjacency, block: Block, cell_of_row: np.ndarray, cones: list[np.ndarray]) -> None:
    """Write a block's weights into the rows that it belongs to."""
    rows, columns = block.target.cpu().numpy(), block.column.cpu().numpy()
    weight = block.weight.cpu().numpy()
    found.constant[rows] += block.constant.cpu().numpy()
    order = np.argsort(columns, kind="stable")
    breaks = np.flatnonzero(np.diff(cell_of_row[rows])) + 1
    for begin, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(rows)], strict=True):
        cone = cones[cell_of_row[rows[begin]]]
        place = np.searchsorted(cone, columns[order])
        inside = place < len(cone)
        inside[inside] = cone[place[inside]] == columns[order][inside]
        edges = slice(found.offset[rows[begin]], found.offset[rows[end - 1] + 1])
        matrix = found.weight[edges].reshape(end - begin, len(cone))
        matrix[:, place[inside]] = weight[begin:end, order[inside]]
