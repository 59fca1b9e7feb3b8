"""Graphs that were lately asked for, kept in memory within a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from clew.graph.arrays import ARRAY_TYPES
from clew.graph.graph import Graph, NodeKind
from clew.graph.reader import open_graph
from clew.server.errors import RequestError

MOST_BYTES = 2**30


class OpenGraph:
    """A stored graph, with its nodes by id."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def node_ids(self) -> list[str]:
        return self.graph.node_ids

    @cached_property
    def nodes(self) -> dict[str, int]:
        return {node_id: node for node, node_id in enumerate(self.node_ids)}

    @cached_property
    def features(self) -> set[str]:
        """Spellings (`L12/4031`) of the features that it has anywhere."""
        graph, nodes = self.graph, self.graph.of_kind(NodeKind.FEATURE)
        places = np.stack([graph.node_layer[nodes], graph.node_feature[nodes]])
        first = np.unique(places, axis=1, return_index=True)[1]
        return {graph.feature_name(node) for node in nodes[first].tolist()}

    @cached_property
    def part_bytes(self) -> dict[str, bytes]:
        """What pages were given of it, by name."""
        return {}

    @property
    def size(self) -> int:
        """Bytes of its arrays; names and part come to about as much again for a small graph."""
        held = sum(getattr(self.graph, name).nbytes for name in ARRAY_TYPES) + 200 * self.graph.n_nodes
        return held + sum(map(len, self.part_bytes.values()))


class OpenGraphs:
    """The most recently used graphs; the least recently used go first when room is needed."""

    def __init__(self, path_of: Callable[[str], Path], most_bytes: int = MOST_BYTES) -> None:
        self._path_of = path_of
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._held: OrderedDict[str, OpenGraph] = OrderedDict()

    def get(self, graph: str) -> OpenGraph:
        """Raises `ClewError` for a graph that is not there, or whose file was damaged meanwhile."""
        with self._lock:
            if graph not in self._held:
                self._held[graph] = OpenGraph(open_graph(self._path_of(graph)))
            self._held.move_to_end(graph)
            found = self._held[graph]
            self._make_room()
            return found

    def forget(self, graph: str) -> None:
        with self._lock:
            self._held.pop(graph, None)

    def _make_room(self) -> None:
        while len(self._held) > 1 and sum(held.size for held in self._held.values()) > self._most_bytes:
            self._held.popitem(last=False)


def edges_of(opened: OpenGraph, node_id: str, direction: Literal["in", "out"], count: int) -> dict[str, Any]:
    """The strongest edges into or out of a node, and what the others come to."""
    graph, node = opened.graph, opened.nodes.get(node_id)
    if node is None:
        raise RequestError(404, f"The graph has no node {node_id[:60]!a}.")
    if direction == "in":
        edges = np.arange(graph.edge_offset[node], graph.edge_offset[node + 1])
        others = graph.edge_source[edges]
    else:
        edges = np.flatnonzero(graph.edge_source == node)
        others = np.searchsorted(graph.edge_offset, edges, side="right") - 1
    size = np.abs(graph.edge_weight[edges])
    order = np.argsort(-size, kind="stable")
    shown, rest = order[:count], order[count:]
    return {
        "total": len(edges),
        "edges": [
            {
                "node": opened.node_ids[others[edge]],
                "name": graph.node_name(int(others[edge])),
                "weight": float(graph.edge_weight[edges[edge]]),
            }
            for edge in shown.tolist()
        ],
        "rest": {"count": len(rest), "weight_absolute": float(size[rest].sum(dtype=np.float64))},
    }
