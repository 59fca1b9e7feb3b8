"""A graph as a page gets it: whole, or where it is too large its most influential part."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Shaped

from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import Flow, measure_flow
from clew.graph.pruning import measured_part
from clew.server.limits import FileLimits
from clew.server.open_graphs import OpenGraph


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
    keep_node = _most_influential_nodes(graph, flow, most_nodes)
    carried = np.abs(graph.edge_weight, dtype=np.float64)
    carried *= np.repeat(flow.per_weight, np.diff(graph.edge_offset))
    inside = np.repeat(keep_node, np.diff(graph.edge_offset)) & keep_node[graph.edge_source]
    keep_edge = inside & _largest(np.where(inside, carried, -1), most_edges)
    return replace(measured_part(graph, flow, keep_node, keep_edge), foreign=None)


def _most_influential_nodes(graph: Graph, flow: Flow, count: int) -> Bool[np.ndarray, " node"]:
    rank = flow.influence.copy()
    rank[graph.node_kind == NodeKind.TOKEN] += 1e18
    rank[graph.node_kind == NodeKind.TARGET] += 2e18
    return _largest(rank, count)


def _largest(values: Shaped[np.ndarray, " item"], count: int) -> Bool[np.ndarray, " item"]:
    """A mask of the `count` largest values."""
    keep = np.ones(len(values), dtype=bool)
    if len(values) > count:
        keep[np.argpartition(values, -count)[:-count]] = False
    return keep
