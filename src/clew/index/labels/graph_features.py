"""What an index knows of the features of one graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clew.graph.graph import Graph, NodeKind
from clew.graph.info import IndexLabel
from clew.index.storage.index import Index, open_index
from clew.index.storage.label import Label
from clew.index.storage.locations import find_index


def features_of(graph: Graph) -> list[tuple[int, int]]:
    """Layer and index of each feature of an MLP, once, in order."""
    nodes = graph.of_kind(NodeKind.FEATURE)
    pairs = np.stack([graph.node_layer[nodes].astype(np.int64), graph.node_feature[nodes]], axis=1)
    return [(layer, feature) for layer, feature in np.unique(pairs, axis=0).tolist() if feature >= 0]


def labels_of(graph: Graph, index: Index) -> dict[str, Label]:
    """What an index calls the features of a graph, by `Graph.feature_name`."""
    found = index.labels(features_of(graph))
    return {f"L{layer}/{feature}": label for (layer, feature), label in found.items()}


def with_index_labels(graph: Graph, index: Index | None = None) -> Graph:
    """The graph with what an index calls its features, by default the one in its usual place, if any."""
    if index is not None:
        labels = labels_of(graph, index)
        known = {name: IndexLabel(label.text, label.source == "tokens") for name, label in labels.items()}
        return replace(graph, index_labels=known)
    place = find_index(graph.info.model, graph.info.dictionary)
    if place is None:
        return graph
    with open_index(place) as found:
        return with_index_labels(graph, found)
