"""On what the most influential features of a graph fire: texts of an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console

from clew.cli.features import most_influential
from clew.cli.index.show import print_example
from clew.cli.layout import print_indented, print_title
from clew.cli.spelling import readable
from clew.graph.graph import Graph
from clew.index.storage.index import Index
from clew.index.storage.record import Example, FeatureRecord

FEATURES = 5
"""Whose texts are shown."""
LOOKED_AT = 50
"""So many of the most influential nodes, until enough are found that the index knows."""


class Known(NamedTuple):
    """A feature at the position where it has most influence, and what an index knows of it."""

    node: int
    record: FeatureRecord


def known_features(graph: Graph, index: Index, count: int = FEATURES) -> list[Known]:
    """The most influential features that an index knows, each once."""
    found: dict[str, Known] = {}
    for node in most_influential(graph, LOOKED_AT):
        name = graph.feature_name(node)
        if len(found) == count:
            break
        if name not in found:
            record = index.feature(int(graph.node_layer[node]), int(graph.node_feature[node]))
            if record is not None:
                found[name] = Known(node, record)
    return list(found.values())


def examples_of_side(record: FeatureRecord, *, negative: bool, count: int) -> list[Example]:
    """Its strongest examples with activations of one sign, from different texts."""
    examples = [example for group in record.groups for example in group.examples]
    examples = [example for example in examples if (example.peak < 0) == negative]
    of_window: dict[int, Example] = {}
    for example in sorted(examples, key=lambda example: -abs(example.peak)):
        of_window.setdefault(example.window, example)
    return list(of_window.values())[:count]


def print_texts(console: Console, graph: Graph, known: Sequence[Known], count: int) -> None:
    """So many lines of text for each feature, on the side on which it is active in the graph."""
    if not known:
        return
    positions = known[0].record.positions
    of = f"of {positions:,} tokens" if positions else "texts"
    print_title(console, "What they fire on", f"the strongest {of}, of the same sign")
    for node, record in known:
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
