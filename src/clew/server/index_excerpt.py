"""The part of an index that an exported page holds, where there is no server to ask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from clew.errors import ClewError
from clew.feature import Feature
from clew.graph.graph import Graph, NodeKind
from clew.index.labels.graph_features import labels_of
from clew.index.storage.index import Index
from clew.index.storage.record import BOTTOM, TOP, Example, ExampleGroup, FeatureRecord
from clew.server.schemas.features import EmbeddedIndex

FEATURES = 300
"""Number of the most influential features, besides those that a person pinned, grouped or labelled."""
EXAMPLES = 5
"""Examples of the strongest and of the most negative activations; one of each weaker level."""
BEFORE, AFTER = 23, 8
"""Tokens around a peak."""
DIGITS = 3
"""Significant digits of activations, which indexes keep to 1/254 of the largest."""


def index_excerpt(graph: Graph, index: Index) -> dict[str, Any] | None:
    """The excerpt for a graph as JSON; None for an index that cannot be read."""
    try:
        records = {feature: index.feature(feature) for feature in _chosen(graph)}
        content = {
            "index": index.metadata,
            "labels": labels_of(graph, index),
            "features": {str(feature): _shortened(record) for feature, record in records.items() if record},
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
    noted = [node for node in order if graph.node_id(node) in own]
    features = dict.fromkeys(graph.feature_at(node).feature for node in order)
    return list(
        dict.fromkeys([*list(features)[:FEATURES], *(graph.feature_at(node).feature for node in noted)])
    )


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
