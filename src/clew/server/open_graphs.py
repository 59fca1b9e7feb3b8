"""Recently used graphs in memory, within a bound, and what pages get of them: parts, and edges of nodes."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Shaped

from clew.feature import Feature
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import measure_flow
from clew.graph.pruning import measured_part
from clew.graph.reader import open_graph
from clew.server.errors import RequestError
from clew.server.file_limits import FileLimits
from clew.server.held_bytes import held_bytes
from clew.server.schemas.graphs import NodeEdge, NodeEdges, RestOfEdges

MOST_BYTES = 2**30


class OpenGraph:
    """A stored graph, with its nodes by id."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.page_bytes: bytes | None = None
        """The part that pages get, once one was asked for."""
        self._measured: tuple[tuple[object, ...], int] | None = None

    @cached_property
    def node_ids(self) -> list[str]:
        return self.graph.node_ids

    @cached_property
    def nodes(self) -> dict[str, int]:
        """Nodes by id."""
        return {node_id: node for node, node_id in enumerate(self.node_ids)}

    @cached_property
    def features(self) -> set[str]:
        """Names (`L12/4031`) of the features of its nodes."""
        graph, nodes = self.graph, self.graph.of_kind(NodeKind.FEATURE)
        pairs = np.unique(np.stack([graph.node_layer[nodes], graph.node_feature[nodes]]), axis=1)
        return {str(Feature(layer, index)) for layer, index in pairs.T.tolist()}

    @property
    def size(self) -> int:
        """Bytes that it holds now: arrays, texts, names, foreign fields and its part for pages."""
        made = *vars(self), *vars(self.graph), len(self.page_bytes or b"")
        if self._measured is None or self._measured[0] != made:  # names are made when they are asked for
            self._measured = made, held_bytes([self.graph, *vars(self).values()])
        return self._measured[1]

    def edges_of(self, node_id: str, direction: Literal["in", "out"], count: int) -> NodeEdges:
        """The strongest edges into or out of a node, and the sum of the others."""
        graph, node = self.graph, self.nodes.get(node_id)
        if node is None:
            raise RequestError(404, f"The graph has no node {node_id[:60]!a}.")
        if direction == "in":
            edges = np.arange(graph.edge_offset[node], graph.edge_offset[node + 1])
            others = graph.edge_source[edges]
        else:
            edges = np.flatnonzero(graph.edge_source == node)
            others = np.searchsorted(graph.edge_offset, edges, side="right") - 1
        strength = np.abs(graph.edge_weight[edges])
        order = np.argsort(-strength, kind="stable")
        listed, rest = order[:count], order[count:]
        return NodeEdges(
            total=len(edges),
            edges=[
                NodeEdge(
                    node=self.node_ids[others[edge]],
                    name=graph.node_name(int(others[edge])),
                    weight=float(graph.edge_weight[edges[edge]]),
                )
                for edge in listed.tolist()
            ],
            rest=RestOfEdges(count=len(rest), weight_absolute=float(strength[rest].sum(dtype=np.float64))),
        )


class OpenGraphs:
    """The most recently used graphs; the least recently used leave when room is needed."""

    def __init__(self, path_of: Callable[[str], Path], most_bytes: int = MOST_BYTES) -> None:
        self._path_of = path_of
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._graphs: OrderedDict[str, OpenGraph] = OrderedDict()

    def get(self, graph: str) -> OpenGraph:
        """A graph by its id; raises `ClewError` for one that does not exist, or whose file is damaged."""
        with self._lock:
            graphs = self._graphs
            if graph not in graphs:
                graphs[graph] = OpenGraph(open_graph(self._path_of(graph)))
            graphs.move_to_end(graph)
            opened = graphs[graph]
            while len(graphs) > 1 and sum(each.size for each in graphs.values()) > self._most_bytes:
                graphs.popitem(last=False)
            return opened


def bytes_for_page(opened: OpenGraph, path: Path, limits: FileLimits) -> bytes:
    """A stored graph, or its most influential part, as a `.clew` file that a page can hold."""
    graph = opened.graph
    if graph.n_nodes <= limits.page_nodes and graph.n_edges <= limits.page_edges:
        return path.read_bytes()
    if opened.page_bytes is None:
        with tempfile.TemporaryDirectory(prefix="clew-") as folder:
            part = most_influential_part(graph, limits.page_nodes, limits.page_edges)
            opened.page_bytes = part.save(Path(folder) / "part.clew").read_bytes()
    return opened.page_bytes


def most_influential_part(graph: Graph, most_nodes: int, most_edges: int) -> Graph:
    """The nodes of most influence, targets and tokens first, and the edges of most flow among them."""
    flow = measure_flow(graph)
    rank = flow.influence.copy()
    rank[graph.node_kind == NodeKind.TOKEN] += 1e18
    rank[graph.node_kind == NodeKind.TARGET] += 2e18
    keep_node = _largest(rank, most_nodes)
    carried = np.abs(graph.edge_weight, dtype=np.float64)
    carried *= np.repeat(flow.per_weight, np.diff(graph.edge_offset))
    inside = np.repeat(keep_node, np.diff(graph.edge_offset)) & keep_node[graph.edge_source]
    keep_edge = inside & _largest(np.where(inside, carried, -1), most_edges)
    return replace(measured_part(graph, flow, keep_node, keep_edge), foreign=None)


def _largest(values: Shaped[np.ndarray, " item"], count: int) -> Bool[np.ndarray, " item"]:
    """A mask of the `count` largest values."""
    keep = np.ones(len(values), dtype=bool)
    if len(values) > count:
        keep[np.argpartition(values, -count)[:-count]] = False
    return keep
