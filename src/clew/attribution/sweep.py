"""Direct effects of every source on every target, by dense matrix products in the cheaper direction.

A direct effect can be had from its target, carrying a gradient down, or from its source, carrying
what it writes up. Both give the same numbers; which is less work depends on where the nodes stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from clew.attribution.backward import sweep_backward
from clew.attribution.forward import sweep_forward
from clew.attribution.frozen_attention import FrozenAttention
from clew.attribution.sources import Block, Sources, Targets

OnStep = Callable[[int, int], None]
"""Told how much of a piece of work is done, and how much there is."""


def sweep(
    targets: Targets,
    sources: Sources,
    attention: Callable[[int], FrozenAttention],
    memory: int,
    on_progress: OnStep = lambda done, total: None,
) -> Iterator[Block]:
    """Yield all direct effects, a block at a time, working in about `memory` bytes.

    `attention` gives a layer's frozen block. `on_progress` is told the work done and the whole work
    in layer-positions carried.
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
