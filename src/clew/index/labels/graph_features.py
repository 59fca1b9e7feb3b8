"""The features of a graph, and the labels that an index has for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

import numpy as np

from clew.feature import Feature
from clew.graph.graph import Graph, NodeKind
from clew.graph.info import FeatureFacts, IndexLabel
from clew.index.labels.feature_names import facts_in
from clew.index.labels.token_labels import MADE_BY, RULES
from clew.index.storage.index import Index, open_index
from clew.index.storage.labels import Label
from clew.index.storage.locations import comes_with_clew, find_index
from clew.index.storage.metadata import check_weights, sink_named
from clew.sink import quoted

MOST_NAMED = 1500
"""The most influential features are named by rule, to bound time."""


def features_of(graph: Graph) -> list[Feature]:
    """Each feature of an MLP in a graph once, in order."""
    nodes = graph.of_kind(NodeKind.FEATURE)
    pairs = np.stack([graph.node_layer[nodes].astype(np.int64), graph.node_feature[nodes]], axis=1)
    return [Feature(layer, index) for layer, index in np.unique(pairs, axis=0).tolist() if index >= 0]


def sides_by_influence(graph: Graph) -> dict[Feature, bool]:
    """Features, the most influential first, with True where their activations are mostly negative.

    A feature's influence is the sum over its positions; its side is that of most of the influence.
    """
    influence: dict[Feature, float] = {}
    signed: dict[Feature, float] = {}
    for node in graph.of_kind(NodeKind.FEATURE).tolist():
        feature = Feature(int(graph.node_layer[node]), int(graph.node_feature[node]))
        if feature.index < 0:  # an index has no features of attention
            continue
        here = float(graph.node_influence[node])
        influence[feature] = influence.get(feature, 0.0) + here
        sign = float(np.sign(graph.node_activation[node] or 0.0))
        signed[feature] = signed.get(feature, 0.0) + here * sign
    return {each: signed[each] < 0 for each in sorted(influence, key=lambda each: -influence[each])}


def facts_of_graph(graph: Graph, index: Index) -> dict[str, FeatureFacts]:
    """An index's facts about the most influential features of a graph, by the feature's name."""
    sides = dict(islice(sides_by_influence(graph).items(), MOST_NAMED))
    return {str(feature): facts for feature, facts in facts_in(index, sides).items()}


def labels_of(
    graph: Graph, index: Index, facts: Mapping[str, FeatureFacts] | None = None
) -> dict[str, Label]:
    """An index's labels of the features of a graph, by the feature's name.

    Names by clew's rules are made anew for the most influential features, whatever the index holds.
    """
    facts = facts_of_graph(graph, index) if facts is None else facts
    labels = {str(feature): label for feature, label in index.labels(features_of(graph)).items()}
    written = {
        name: label
        for name, label in labels.items()
        if not (label.source == "tokens" and label.author.startswith(RULES) and name in facts)
    }
    by_rule = {
        name: Label(text=each.name, source="tokens", author=MADE_BY, confidence=None, created="", detail=None)
        for name, each in facts.items()
        if each.name
    }
    return by_rule | written


def sink_note(graph: Graph, index: Index) -> str:
    """A sentence about an index that was made behind another first token than a graph; empty for the same.

    An imported index does not say its sink.
    """
    metadata, sink = index.metadata, graph.sink
    same_model = metadata.model == graph.info.model
    if not same_model or not metadata.tokenizer or metadata.sink == (sink and sink.token_id):
        return ""
    name, remedy = str(index.path), "make it again with clew index --replace"
    if metadata.bundled or comes_with_clew(index.path):
        name, remedy = "The small index that comes with clew", "clew index makes one of your own"
    return (
        f"{name} was made behind {sink_named(metadata)}, and this graph behind {quoted(sink and sink.text)}, "
        f"so activations in its texts are not quite those of this prompt; {remedy}."
    )


def with_index_labels(graph: Graph, index: Index | None = None) -> Graph:
    """The graph with the labels of an index, by default of the one in its usual place, if any."""
    if index is not None:
        facts = facts_of_graph(graph, index)
        labels = labels_of(graph, index, facts)
        of_graph = {name: IndexLabel(label.text, label.source == "tokens") for name, label in labels.items()}
        return replace(graph, index_labels=of_graph, index_facts=facts)
    location = find_index(graph.info.model, graph.info.dictionary)
    if location is None:
        return graph
    with open_index(location) as usual:
        check_weights(usual.metadata, graph.info.settings, location)
        return with_index_labels(graph, usual)
