"""Topological order: a level for each node, such that every edge goes up."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from clew.errors import ClewError
from clew.graph.arrays import GraphArrays


def topological_levels(graph: GraphArrays) -> Int64[np.ndarray, " node"]:
    """A level from 0 for every node, such that every edge goes from a lower level to a higher one.

    The level is the layer plus one if all edges go up the layers, as in every graph that clew traces; else
    it is the length of the longest path to the node. Raises `ClewError` that names the nodes of a cycle.
    """
    level = graph.node_layer.astype(np.int64) + 1
    return level if _goes_up(graph, level) else _longest_path_lengths(graph)


def _goes_up(graph: GraphArrays, level: Int64[np.ndarray, " node"]) -> bool:
    """True if every edge leads to a higher level; checks one run of rows at a time, to save memory."""
    for rows in level_runs(level):
        sources = graph.edge_source[graph.edge_offset[rows.start] : graph.edge_offset[rows.stop]]
        if len(sources) and level[sources].max() >= level[rows.start]:
            return False
    return True


def level_runs(level: Int64[np.ndarray, " node"]) -> list[slice]:
    """Runs of consecutive nodes of one level, as slices, from the lowest level up.

    The CSR rows of a run are one slice of the edges; clew's own graphs have a run or two per level.
    """
    begins = np.flatnonzero(np.diff(level, prepend=-1))
    ends = np.append(begins[1:], len(level))
    return [slice(begins[run], ends[run]) for run in np.argsort(level[begins], kind="stable")]


def _longest_path_lengths(graph: GraphArrays) -> Int64[np.ndarray, " node"]:
    """Levels by Kahn's algorithm, one whole level at a time."""
    per_source = np.bincount(graph.edge_source, minlength=graph.n_nodes)
    out_offset = np.concatenate([[0], np.cumsum(per_source)])
    out_target = graph.edge_target[np.argsort(graph.edge_source, kind="stable")]

    level = np.zeros(graph.n_nodes, dtype=np.int64)
    waiting_for = np.diff(graph.edge_offset)
    ready = np.flatnonzero(waiting_for == 0)
    depth = 0
    while len(ready):
        level[ready] = depth
        reached, times = np.unique(_rows_of(out_target, out_offset, ready), return_counts=True)
        waiting_for[reached] -= times
        ready = reached[waiting_for[reached] == 0]
        depth += 1
    if waiting_for.any():
        raise ClewError(_describe_cycle(graph, waiting_for > 0))
    return level


def _rows_of(values: np.ndarray, offset: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The values of the chosen CSR rows, one row after another."""
    counts = offset[rows + 1] - offset[rows]
    shift = offset[rows] - (np.cumsum(counts) - counts)
    return values[np.repeat(shift, counts) + np.arange(counts.sum())]


def _describe_cycle(graph: GraphArrays, unsettled: np.ndarray) -> str:
    """A sentence that names a cycle."""
    # Every unsettled node has an unsettled source, so walking backwards must come round.
    node, walked = int(np.flatnonzero(unsettled)[0]), {}
    while node not in walked:
        walked[node] = len(walked)
        sources = graph.edge_source[graph.edge_offset[node] : graph.edge_offset[node + 1]]
        node = int(sources[unsettled[sources]][0])
    cycle = [n for n, step in walked.items() if step >= walked[node]][::-1]
    shown = [graph.node_id(n) for n in cycle[:6]] + (["..."] if len(cycle) > 6 else [])
    return (
        f"The edges {' -> '.join([*shown, graph.node_id(cycle[0])])} form a cycle; "
        "an attribution graph only leads from earlier to later computation."
    )
