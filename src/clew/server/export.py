"""Graphs as files to take away, with everything that people added to them."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from clew.errors import ClewError
from clew.feature import Feature
from clew.graph.graph import Graph, NodeKind
from clew.index.labels.graph_features import labels_of
from clew.index.storage.index import Index
from clew.index.storage.record import BOTTOM, TOP, Example, ExampleGroup, FeatureRecord
from clew.server.html_file import html_file
from clew.server.open_graphs import bytes_for_page
from clew.server.schemas.features import EmbeddedIndex
from clew.server.schemas.library import GraphEntry
from clew.server.state import ServerState

Format = Literal["clew", "json", "html"]
TYPES: dict[Format, str] = {
    "clew": "application/vnd.clew",
    "json": "application/json",
    "html": "text/html; charset=utf-8",
}
FEATURES = 300
"""Number of the most influential features, besides those that a person pinned, grouped or labelled."""
EXAMPLES = 5
"""Examples of the strongest and of the most negative activations; one of each weaker level."""
BEFORE, AFTER = 23, 8
"""Tokens around a peak."""
DIGITS = 3
"""Significant digits of activations, which indexes keep to 1/254 of the largest."""


def export(state: ServerState, graph: str, kind: Format) -> tuple[str, bytes]:
    """A file name and its content; raises `ClewError` for a graph that does not exist."""
    entry = state.library.entry(graph)
    name = f"{file_name(entry.name)}.{kind}"
    if kind == "html":
        return name, _page(state, entry)
    with tempfile.TemporaryDirectory(prefix="clew-") as folder:
        return name, state.annotated_graph(graph).save(Path(folder) / f"graph.{kind}").read_bytes()


def file_name(name: str) -> str:
    """A name reduced to what every system accepts as the name of a file."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()
    return plain[:60].strip("-") or "graph"


def _page(state: ServerState, entry: GraphEntry) -> bytes:
    """The page with the graph inside, and what the page would ask a server for."""
    library, opened = state.library, state.library.opened(entry.id)
    annotated = state.annotated_graph(entry.id)
    revision, values = library.annotations.read(entry.id, opened)
    index = state.indexes.readable(opened.graph)
    document: dict[str, Any] = {
        "entry": entry.model_dump(),
        "annotations": {"revision": revision, "values": values},
        "summary": annotated.summarize().as_json(),
        "story": annotated.story().as_json(),
        "index": index and _index_excerpt(annotated, index),
        "nodes_total": opened.graph.n_nodes,
        "edges_total": opened.graph.n_edges,
    }
    arrays = bytes_for_page(opened, library.path_of(entry.id), library.limits)
    return html_file(state.page, arrays, document, entry.name)


def _index_excerpt(graph: Graph, index: Index) -> dict[str, Any] | None:
    """The excerpt for a graph as JSON; None for an index that cannot be read."""
    try:
        records = [record for feature in _chosen(graph) if (record := index.feature(feature))]
        content = {
            "index": index.metadata,
            "labels": labels_of(graph, index),
            "features": {str(each.feature): _shortened(each) for each in records},
        }
    except ClewError:
        return None
    return EmbeddedIndex.model_validate(content).model_dump()


def _chosen(graph: Graph) -> list[Feature]:
    """The features to describe, each once."""
    nodes = graph.of_kind(NodeKind.FEATURE)
    nodes = nodes[graph.node_feature[nodes] >= 0]
    order = nodes[np.argsort(-graph.node_influence[nodes], kind="stable")].tolist()
    notes = graph.annotations
    own = {*notes.labels, *notes.pins, *(node for _, members in notes.supernodes for node in members)}
    features = [graph.feature_at(node).feature for node in order]
    noted = [graph.feature_at(node).feature for node in order if graph.node_id(node) in own]
    return list(dict.fromkeys([*list(dict.fromkeys(features))[:FEATURES], *noted]))


def _shortened(record: FeatureRecord) -> FeatureRecord:
    return replace(record, groups=tuple(map(_fewer, record.groups)))


def _fewer(group: ExampleGroup) -> ExampleGroup:
    count = EXAMPLES if group.kind in (TOP, BOTTOM) else 1
    return replace(group, examples=tuple(map(_cut, group.examples[:count])))


def _cut(example: Example) -> Example:
    begin, end = max(0, example.peak_at - BEFORE), example.peak_at + AFTER + 1
    return replace(
        example,
        tokens=example.tokens[begin:end],
        activations=tuple(float(f"{value:.{DIGITS}g}") for value in example.activations[begin:end]),
        peak_at=example.peak_at - begin,
    )
