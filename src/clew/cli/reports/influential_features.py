"""The most influential features of a graph: a table of them, and texts on which they are active."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from clew.cli.reports.feature import print_example
from clew.cli.terminal import (
    AsManyAsFit,
    cut,
    influence,
    print_indented,
    print_title,
    promoted,
    readable,
    table,
    token,
)
from clew.graph.graph import Graph, NodeKind
from clew.index.storage.index import Index
from clew.index.storage.record import Example, FeatureRecord

WIDEST_TOKEN = 18
WITH_TEXTS = 5
"""Features whose texts are printed."""
SEARCHED = 50
"""Most influential nodes among which features of an index are searched."""


def most_influential(graph: Graph, count: int) -> list[int]:
    """The feature nodes of most influence, in order."""
    features = graph.of_kind(NodeKind.FEATURE)
    order = np.argsort(-graph.node_influence[features], kind="stable")
    return features[order[:count]].tolist()


def feature_table(graph: Graph, count: int) -> Table:
    """A table of features: name, token, influence, activation, label and promoted tokens."""
    headers = "feature", "token", "influence", "activation", _last_title(graph)
    rows = table(*headers, right=(2, 3), no_wrap=range(4))  # the last column gives way on a narrow terminal
    for node in most_influential(graph, count):
        activation = float(graph.node_activation[node])
        rows.add_row(
            graph.node_name(node),
            cut(token(graph.info.tokens[graph.node_position[node]]), WIDEST_TOKEN),
            influence(graph, node),
            "" if np.isnan(activation) else f"{activation:.2f}",
            AsManyAsFit(readable(graph.label(node) or ""), promoted(graph, node)),
        )
    return rows


def _last_title(graph: Graph) -> str:
    if graph.output_tokens is None:
        return "label"
    labelled = graph.annotations.labels or graph.annotations.feature_labels or graph.index_labels
    return "label: promotes" if labelled else "promotes"


class IndexedFeature(NamedTuple):
    """A feature at the position where it has most influence, and its record in an index."""

    node: int
    record: FeatureRecord


def influential_features(graph: Graph, index: Index, most: int = WITH_TEXTS) -> list[IndexedFeature]:
    """The most influential features that are in an index, each once; never more than `WITH_TEXTS`."""
    features: dict[str, IndexedFeature] = {}
    for node in most_influential(graph, SEARCHED):
        name = graph.feature_name(node)
        if len(features) == min(most, WITH_TEXTS):
            break
        if name not in features:
            record = index.feature(int(graph.node_layer[node]), int(graph.node_feature[node]))
            if record is not None:
                features[name] = IndexedFeature(node, record)
    return list(features.values())


def examples_of_side(record: FeatureRecord, *, negative: bool, count: int) -> list[Example]:
    """The strongest examples whose peaks have one sign, each from another text."""
    examples = [example for group in record.groups for example in group.examples]
    examples = [example for example in examples if (example.peak < 0) == negative]
    of_window: dict[int, Example] = {}
    for example in sorted(examples, key=lambda example: -abs(example.peak)):
        of_window.setdefault(example.window, example)
    return list(of_window.values())[:count]


def print_texts(console: Console, graph: Graph, features: Sequence[IndexedFeature], count: int) -> None:
    """Print `count` texts for each feature, whose activations have the same sign as in the graph."""
    if not features:
        return
    positions = features[0].record.positions
    texts = f"of {positions:,} tokens" if positions else "texts"
    print_title(console, "What they fire on", f"the strongest {texts}, of the same sign")
    for node, record in features:
        negative = bool(graph.node_activation[node] < 0)
        name = readable(graph.node_name(node))
        print_indented(console, f"{name}  {graph.node_activation[node]:.2f} here, {_reach(record, negative)}")
        for example in examples_of_side(record, negative=negative, count=count):
            print_example(console, example, indent=4)


def _reach(record: FeatureRecord, negative: bool) -> str:
    extreme = (record.minimum if negative else record.maximum) or 0.0
    if record.never_seen:
        return "never active in these texts"
    if extreme == 0 or (extreme < 0) != negative:
        return f"never {'below' if negative else 'above'} zero in these texts"
    return f"{'down' if negative else 'up'} to {extreme:.2f} in these texts"
