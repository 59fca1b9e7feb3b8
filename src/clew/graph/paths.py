"""The strongest signed paths through a graph."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import edge_shares
from clew.graph.order import topological_levels


@dataclass(frozen=True)
class SignedPath:
    """A chain of nodes from a source up to a target.

    `share` is the product of the edges' shares of their targets' inputs: the part of the target's
    influence that arrives along this path alone. `sign` is the product of the edges' signs.
    """

    nodes: tuple[int, ...]
    share: float
    sign: int


def strongest_paths(
    graph: Graph, *, sources: Sequence[int] | None = None, target: int | None = None, count: int = 10
) -> list[SignedPath]:
    """The `count` paths with the largest share, strongest first; exact.

    Sources are node indices (default: all tokens), the target is one node (default: the output with
    the largest weight). Raises `ClewError` where the target is not a node or nothing is an output.
    """
    target = _default_target(graph) if target is None else target
    if not 0 <= target < graph.n_nodes:
        raise ClewError(f"Node {target} does not exist: the graph has nodes 0 to {graph.n_nodes - 1}.")
    begins = graph.of_kind(NodeKind.TOKEN) if sources is None else np.asarray(sources, dtype=np.int64)
    share = edge_shares(graph)
    reach = _best_share_from(graph, share, begins)
    return [
        path for path, _ in zip(_descend(graph, share, reach, begins, target), range(count), strict=False)
    ]


def _default_target(graph: Graph) -> int:
    targets = graph.of_kind(NodeKind.TARGET)
    if not len(targets):
        raise ClewError("The graph has no output node, so name the node that paths should lead to.")
    return int(targets[np.argmax(graph.node_activation[targets])])


def _best_share_from(graph: Graph, share: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """For each node the largest share of any path from a source up to it (1 for a source, 0 if none)."""
    best = np.zeros(graph.n_nodes)
    best[begins] = 1.0
    for node in np.argsort(topological_levels(graph), kind="stable"):
        edges = slice(graph.edge_offset[node], graph.edge_offset[node + 1])
        if edges.start < edges.stop:
            best[node] = max(best[node], float((best[graph.edge_source[edges]] * share[edges]).max()))
    return best


def _descend(
    graph: Graph, share: np.ndarray, reach: np.ndarray, begins: np.ndarray, target: int
) -> Iterator[SignedPath]:
    """Grow paths downward from the target, most promising first (A* with the exact remaining share)."""
    is_source = np.zeros(graph.n_nodes, dtype=bool)
    is_source[begins] = True
    # An entry either is finished (ends at a source) or may grow; promise = share so far * best rest.
    queue: list[tuple[float, tuple[int, ...], float, int, bool]] = [
        (-reach[target], (target,), 1.0, 1, False)
    ]
    while queue:
        promise, nodes, so_far, sign, finished = heapq.heappop(queue)
        if promise == 0:
            return
        if finished:
            yield SignedPath(nodes=nodes[::-1], share=so_far, sign=sign)
            continue
        node = nodes[-1]
        if is_source[node] and len(nodes) > 1:
            heapq.heappush(queue, (-so_far, nodes, so_far, sign, True))
        for edge in range(int(graph.edge_offset[node]), int(graph.edge_offset[node + 1])):
            below = int(graph.edge_source[edge])
            grown = so_far * float(share[edge])
            if grown * reach[below] > 0:
                step = (-grown * reach[below], (*nodes, below), grown, sign * _sign(graph, edge), False)
                heapq.heappush(queue, step)


def _sign(graph: Graph, edge: int) -> int:
    return 1 if graph.edge_weight[edge] >= 0 else -1
