"""Paths through the boxes of a story: from a token over named steps to the likeliest output."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from clew.graph.arrays import GraphArrays
from clew.graph.influence import row_sums, safe_divide
from clew.graph.topological_order import level_runs, topological_levels

MOST_PATHS = 10
"""Paths of each kind, at most."""
MOST_EXPANDED = 40
"""Beginnings of paths that are followed down, at most; the strongest first."""
LEAST_CARRIED = 0.0005
"""Share of the output's input from which a path is worth a line."""


@dataclass(frozen=True)
class StoryPath:
    """A way through boxes; nodes without a name that lie between two boxes are passed over."""

    boxes: tuple[int, ...]
    """Numbers of boxes, from a token to an output."""
    carried: float
    """The share of the output's input along all paths of nodes that pass these boxes and no others."""
    effect: float
    """The same with signs: positive if more of the token raises the output."""


@dataclass(frozen=True)
class _Rows:
    """A graph's rows as shares of their input, with the signs of what they pass on."""

    order: list[slice]
    offset: Int64[np.ndarray, " node_plus_1"]
    source: np.ndarray
    share: Float64[np.ndarray, " edge"]
    signed: Float64[np.ndarray, " edge"]


def paths_through(
    graph: GraphArrays, output: int, stations: Sequence[Int64[np.ndarray, " member"]], is_end: Sequence[bool]
) -> tuple[tuple[StoryPath, ...], tuple[StoryPath, ...]]:
    """The strongest paths to a target node over stations, and those past all of them; strongest first.

    Paths end at the first station with `is_end` on their way down; an empty station is not passed. Nodes in
    no station are passed over.
    """
    box_of = np.full(graph.n_nodes, -1)
    for number, nodes in enumerate(stations):
        box_of[nodes] = number
    own = int(box_of[output])
    rows = _rows(graph)
    begin = np.zeros(graph.n_nodes)
    begin[output] = 1
    found: tuple[list[StoryPath], list[StoryPath]] = ([], [])
    queue: list[tuple[float, tuple[int, ...], np.ndarray, np.ndarray]] = [(-1.0, (own,), begin, begin)]
    expanded = 0
    while queue and len(found[0]) < MOST_PATHS:
        mass, boxes, carried, effect = heapq.heappop(queue)
        if -mass < LEAST_CARRIED:
            break
        if is_end[boxes[0]]:
            path = StoryPath(boxes, -mass, float(effect.sum()))
            found[len(boxes) == 2].append(path)
            continue
        if expanded == MOST_EXPANDED:
            continue
        expanded += 1
        carried, effect = _flow_down(rows, box_of, boxes[0], carried, effect)
        reached = np.bincount(box_of + 1, carried, len(stations) + 1)[1:]
        for box in np.flatnonzero(reached >= LEAST_CARRIED).tolist():
            if box not in boxes:
                here = box_of == box
                step = (
                    -float(reached[box]),
                    (box, *boxes),
                    np.where(here, carried, 0),
                    np.where(here, effect, 0),
                )
                heapq.heappush(queue, step)
    return tuple(found[0]), tuple(found[1][:MOST_PATHS])


def _rows(graph: GraphArrays) -> _Rows:
    magnitude = np.abs(graph.edge_weight, dtype=np.float64)
    total = row_sums(magnitude, graph.edge_offset)
    counts = np.diff(graph.edge_offset)
    share = magnitude * np.repeat(safe_divide(np.ones(graph.n_nodes), total), counts)
    turned = np.where(graph.node_activation < 0, -1.0, 1.0)
    signed = share * np.sign(graph.edge_weight) * np.repeat(turned, counts)
    order = level_runs(topological_levels(graph))[::-1]
    return _Rows(order, graph.edge_offset, graph.edge_source, share, signed)


def _flow_down(
    rows: _Rows, box_of: Int64[np.ndarray, " node"], box: int, carried: np.ndarray, effect: np.ndarray
) -> tuple[Float64[np.ndarray, " node"], Float64[np.ndarray, " node"]]:
    """The flow that reaches the nodes of other boxes from one, straight or over nodes in no box."""
    carried, effect = carried.copy(), effect.copy()
    passes = (box_of == box) | (box_of < 0)
    for run in rows.order:
        begins = rows.offset[run.start : run.stop + 1]
        mass = np.where(passes[run], carried[run], 0)
        if begins[0] == begins[-1] or not mass.any():
            continue
        edges, counts = slice(begins[0], begins[-1]), np.diff(begins)
        source = rows.source[edges]
        net = np.where(passes[run], effect[run], 0)
        carried += np.bincount(source, rows.share[edges] * np.repeat(mass, counts), len(carried))
        effect += np.bincount(source, rows.signed[edges] * np.repeat(net, counts), len(carried))
    inside = passes
    return np.where(inside, 0, carried), np.where(inside, 0, effect)
