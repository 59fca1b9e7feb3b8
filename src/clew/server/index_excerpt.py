"""What a graph's page carries of an index where there is no server to ask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.index.labels.graph_features import labels_of
from clew.index.storage.index import Index
from clew.index.storage.record import BOTTOM, TOP, Example, ExampleGroup, FeatureRecord
from clew.server.schemas.features import EmbeddedIndex

FEATURES = 300
"""The most influential ones; what a person pinned, grouped or labelled comes besides."""
EXAMPLES = 5
"""Of each kind, the levels below the strongest excepted: one of each."""
BEFORE, AFTER = 23, 8
"""Tokens around a peak."""
DIGITS = 3
"""Significant ones of activations, which are kept to 1/254 of the largest in any case."""


def index_excerpt(graph: Graph, index: Index | None) -> dict[str, Any] | None:
    """As JSON; None where there is no index, or one that cannot be read."""
    if index is None:
        return None
    try:
        found = {f"L{layer}/{feature}": index.feature(layer, feature) for layer, feature in _chosen(graph)}
        features = {name: _shortened(record) for name, record in found.items() if record is not None}
        content = {"index": index.metadata, "labels": labels_of(graph, index), "features": features}
    except ClewError:
        return None
    return EmbeddedIndex.model_validate(content).model_dump()


def _chosen(graph: Graph) -> list[tuple[int, int]]:
    """Layer and index of the features to describe, each once."""
    nodes = graph.of_kind(NodeKind.FEATURE)
    nodes = nodes[graph.node_feature[nodes] >= 0]
    order = nodes[np.argsort(-graph.node_influence[nodes], kind="stable")].tolist()
    notes = graph.annotations
    own = {*notes.labels, *notes.pins, *(node for _, members in notes.supernodes for node in members)}
    noted = [node for node in order if graph.node_id(node) in own]
    pairs = dict.fromkeys(_place(graph, node) for node in order)
    return list(dict.fromkeys([*list(pairs)[:FEATURES], *(_place(graph, node) for node in noted)]))


def _place(graph: Graph, node: int) -> tuple[int, int]:
    return int(graph.node_layer[node]), int(graph.node_feature[node])


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
