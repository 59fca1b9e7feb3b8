"""The strongest signed paths through a graph."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from clew.errors import ClewError
from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import row_sums, safe_divide
from clew.graph.topological_order import level_runs, topological_levels


@dataclass(frozen=True)
class SignedPath:
    """A chain of nodes from a source up to a target."""

    nodes: tuple[int, ...]
    """Node indices from source to target."""
    share: float
    """The part of the target's influence along this path: the product of the edges' shares of their input."""
    sign: int
    """1 if more of the source raises the target, -1 if it lowers it.

    It is the product of the edges' signs, turned once for every negative activation on the way, because an
    edge's weight contains its source's activation.
    """


def strongest_paths(
    graph: GraphArrays, *, sources: Sequence[int] | None = None, target: int | None = None, count: int = 10
) -> list[SignedPath]:
    """The `count` paths with the largest share, strongest first; see `Graph.paths`."""
    target = _default_target(graph) if target is None else target
    given = graph.of_kind(NodeKind.TOKEN).tolist() if sources is None else sources
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ClewError(f"Sources are several nodes such as [0, 1], not {given!r}.")
    begins = np.array([*given], dtype=object)
    for node in (*begins, target):
        graph.check_node(node)
    begins = begins.astype(np.int64)
    reach = _best_share_from(graph, begins)
    return list(_descend(graph, reach, begins, target, count))


def _default_target(graph: GraphArrays) -> int:
    targets = graph.of_kind(NodeKind.TARGET)
    if not len(targets):
        raise ClewError("The graph has no output node; name the node where paths should end.")
    return int(targets[np.argmax(graph.node_activation[targets])])


def _best_share_from(graph: GraphArrays, begins: np.ndarray) -> np.ndarray:
    """The largest share of any path from a source up to each node (1 for a source, 0 if none)."""
    best = np.zeros(graph.n_nodes)
    best[begins] = 1.0
    for rows in level_runs(topological_levels(graph)):
        offset = graph.edge_offset[rows.start : rows.stop + 1]
        edges = slice(offset[0], offset[-1])
        filled = np.flatnonzero(np.diff(offset))
        if not len(filled):
            continue
        row_begin = offset - offset[0]
        magnitude = np.abs(graph.edge_weight[edges])
        total = row_sums(magnitude, row_begin)[filled]
        through = best[graph.edge_source[edges]] * magnitude
        strongest = safe_divide(np.maximum.reduceat(through, row_begin[filled]), total)
        best[rows][filled] = np.maximum(best[rows][filled], strongest)
    return best


def _descend(
    graph: GraphArrays, reach: np.ndarray, begins: np.ndarray, target: int, count: int
) -> Iterator[SignedPath]:
    """Paths grown downward from the target, most promising first (A* with the exact remaining share)."""
    is_source = np.zeros(graph.n_nodes, dtype=bool)
    is_source[begins] = True
    # A finished entry ends at a source, others may grow; promise = share so far * best rest.
    queue: list[tuple[float, tuple[int, ...], float, int, bool]] = [
        (-reach[target], (target,), 1.0, 1, False)
    ]
    while queue and count > 0:
        promise, nodes, so_far, sign, finished = heapq.heappop(queue)
        if promise == 0:
            return
        if finished:
            yield SignedPath(nodes=nodes[::-1], share=so_far, sign=sign)
            count -= 1
            continue
        node = nodes[-1]
        if is_source[node] and len(nodes) > 1:
            heapq.heappush(queue, (-so_far, nodes, so_far, sign, True))
        if len(nodes) > 1 and graph.node_activation[node] < 0:
            sign = -sign
        for below, share, direction in _best_inputs(graph, reach, node, count):
            grown = so_far * share
            step = (-grown * reach[below], (*nodes, below), grown, sign * direction, False)
            heapq.heappush(queue, step)


def _best_inputs(
    graph: GraphArrays, reach: np.ndarray, node: int, count: int
) -> Iterator[tuple[int, float, int]]:
    """Source, share and sign of the `count` edges into a node that the strongest paths come through."""
    edges = slice(graph.edge_offset[node], graph.edge_offset[node + 1])
    source, weight = graph.edge_source[edges], graph.edge_weight[edges].astype(np.float64)
    share = safe_divide(np.abs(weight), np.full(len(weight), np.abs(weight).sum()))
    promise = share * reach[source]
    best = np.argsort(-promise, kind="stable")[:count]
    for edge in best[promise[best] > 0].tolist():
        yield int(source[edge]), float(share[edge]), 1 if weight[edge] > 0 else -1
