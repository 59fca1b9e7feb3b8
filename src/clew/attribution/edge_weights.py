"""The weight of every edge: direct effects of all sources on all targets.

Sources are features, errors and tokens; targets are features and outputs. A direct effect can be computed
from its target, whose gradient goes down the layers (`backward_sweep`), or from its source, whose write goes
up (`forward_sweep`). Both give the same numbers; which is less work depends on where the nodes stand.

Edges are those of "Circuit Tracing: Revealing Computational Graphs in Language Models", Ameisen et al. 2025,
https://transformer-circuits.pub/2025/attribution-graphs/methods.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32, Int64

from clew.attribution.backward_sweep import sweep_backward
from clew.attribution.batches import EdgeBlock
from clew.attribution.forward_sweep import sweep_forward
from clew.attribution.frozen_attention import FrozenAttention
from clew.attribution.linear_map import LinearMap
from clew.attribution.sources import Sources, gather_sources
from clew.attribution.targets import OutputTargets, Targets, feature_reads
from clew.dictionary.protocols import ActiveFeatures, Encoding
from clew.progress import OnStep, ignore_step


@dataclass(frozen=True)
class Adjacency:
    """Direct effects in sparse rows (CSR over targets); a row holds every source in its causal cone."""

    offset: Int64[np.ndarray, " target_plus_1"]
    source: Int32[np.ndarray, " edge"]
    weight: Float32[np.ndarray, " edge"]
    constant: Float32[np.ndarray, " target"]


@dataclass(frozen=True)
class EdgeWeights:
    """All edges of a graph, with the value that each target's row must add up to."""

    adjacency: Adjacency
    total: Float[np.ndarray, " target"]
    sources: Sources


def compute_edge_weights(
    linear: LinearMap,
    encoding: Encoding,
    features: ActiveFeatures,
    outputs: OutputTargets,
    first_position: int,
    memory: int,
    on_progress: OnStep = ignore_step,
) -> EdgeWeights:
    """The edges from all features, errors and tokens to the chosen features and outputs."""
    sources = gather_sources(linear, encoding, features, first_position)
    direction, offset, total = feature_reads(linear, encoding, features)
    n_layers, last = linear.model.n_layers, linear.recording.n_positions - 1
    n_outputs = len(outputs.targets)
    targets = Targets(
        direction=torch.cat([direction, outputs.direction]),
        layer=torch.cat([features.layer, features.layer.new_full((n_outputs,), n_layers)]),
        position=torch.cat([features.position, features.position.new_full((n_outputs,), last)]),
        before_attention=linear.model.parallel_blocks,
    )
    attention = _cached_attention(linear, memory)
    blocks = sweep(targets, sources, attention, memory, on_progress)
    adjacency = assemble(targets, sources, blocks)
    adjacency.constant[:] += torch.cat([offset, outputs.offset]).cpu().numpy()
    return EdgeWeights(adjacency, torch.cat([total, outputs.total]).cpu().numpy(), sources)


def _cached_attention(linear: LinearMap, memory: int) -> Callable[[int], FrozenAttention]:
    """Frozen attention blocks by layer, kept for all batches where they take little of the memory."""
    block = linear.attention(0)
    size = 4 * linear.model.n_layers * (block.value.numel() + block.pattern.numel())
    return lru_cache(maxsize=None if size <= memory // 4 else 1)(linear.attention)


def sweep(
    targets: Targets,
    sources: Sources,
    attention: Callable[[int], FrozenAttention],
    memory: int,
    on_progress: OnStep = ignore_step,
) -> Iterator[EdgeBlock]:
    """Yield all direct effects, a block at a time, working in about `memory` bytes.

    `attention` gives a layer's frozen block. `on_progress` counts layers times positions.
    """
    backward, forward = backward_work(targets), forward_work(sources)
    chosen = sweep_backward if backward <= forward else sweep_forward
    done, total = 0, min(backward, forward)
    on_progress(done, total)
    for block in chosen(targets, sources, attention, memory):
        yield block
        if chosen is sweep_backward:
            reach, depth = targets.position[block.target] + 1, targets.layer[block.target]
        else:
            reach = sources.n_positions - sources.position[block.column]
            depth = sources.n_layers - 1 - sources.layer[block.column]
        done += int((reach * depth).sum())
        on_progress(done, total)


def backward_work(targets: Targets) -> int:
    """Layers times positions that the targets' gradients pass through."""
    return int(((targets.position + 1) * targets.layer).sum())


def forward_work(sources: Sources) -> int:
    """Layers times positions that the sources' effects pass through."""
    reach = sources.n_positions - sources.position
    return int((reach * (sources.n_layers - 1 - sources.layer)).sum())


def assemble(targets: Targets, sources: Sources, blocks: Iterable[EdgeBlock]) -> Adjacency:
    """Collect the blocks of a sweep in one adjacency, allocated once at its final size.

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
    adjacency = Adjacency(
        offset=offset,
        source=np.empty(offset[-1], dtype=np.int32),
        weight=np.zeros(offset[-1], dtype=np.float32),
        constant=np.zeros(len(targets), dtype=np.float32),
    )
    for rows, cone in cells:
        adjacency.source[offset[rows.start] : offset[rows.stop]] = np.tile(cone, rows.stop - rows.start)
    cell_of_row = np.repeat(np.arange(len(cells)), [rows.stop - rows.start for rows, _ in cells])
    for block in blocks:
        _fill(adjacency, block, cell_of_row, [cone for _, cone in cells])
    return adjacency


def _fill(adjacency: Adjacency, block: EdgeBlock, cell_of_row: np.ndarray, cones: list[np.ndarray]) -> None:
    """Write a block's weights into the rows that it belongs to."""
    rows, columns = block.target.cpu().numpy(), block.column.cpu().numpy()
    weight = block.weight.cpu().numpy()
    adjacency.constant[rows] += block.constant.cpu().numpy()
    order = np.argsort(columns, kind="stable")
    breaks = np.flatnonzero(np.diff(cell_of_row[rows])) + 1
    for begin, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(rows)], strict=True):
        cone = cones[cell_of_row[rows[begin]]]
        index = np.searchsorted(cone, columns[order])
        inside = index < len(cone)
        inside[inside] = cone[index[inside]] == columns[order][inside]
        edges = slice(adjacency.offset[rows[begin]], adjacency.offset[rows[end - 1] + 1])
        matrix = adjacency.weight[edges].reshape(end - begin, len(cone))
        matrix[:, index[inside]] = weight[begin:end, order[inside]]
