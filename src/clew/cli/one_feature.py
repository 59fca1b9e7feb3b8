"""One feature: where it is active in a graph, and what an index knows of it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from clew.cli.features import promoted
from clew.cli.index.show import print_facts, print_heading
from clew.cli.layout import print_indented, print_title, table
from clew.cli.spelling import percent, readable, token
from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.index.storage.index import Index
from clew.index.storage.record import FeatureRecord

MOST_ROWS = 20
"""Positions that are listed, the most influential ones."""


def print_feature(
    console: Console,
    graph: Graph,
    index: Index | None,
    place: tuple[int, int],
    position: int | None = None,
    n_examples: int = 5,
) -> None:
    """What the graph says of it, then what the index does; raises `ClewError` where neither knows it."""
    nodes = _nodes(graph, place, position)
    record = index.feature(*place) if index else None
    name = f"L{place[0]}/{place[1]}"
    if not nodes and record is None:
        raise ClewError(f"The graph has no feature {name}, and {_not_told(graph, index)}.")
    if index and record:
        print_heading(console, index, record)
    else:
        console.print(Text(name, style="bold"))
    _print_here(console, graph, nodes, record)
    if record:
        low_first = bool(nodes) and bool(graph.node_activation[nodes[0]] < 0)
        print_facts(console, record, n_examples, low_first=low_first)
    else:
        print_title(console, "No example texts")
        print_indented(console, f"{_not_told(graph, index)[0].upper()}{_not_told(graph, index)[1:]}.")


def _nodes(graph: Graph, place: tuple[int, int], position: int | None) -> list[int]:
    """The feature's nodes, the most influential first; raises `ClewError` where it is at other positions."""
    chosen = (graph.node_kind == NodeKind.FEATURE) & (graph.node_layer == place[0])
    found = (chosen & (graph.node_feature == place[1])).nonzero()[0].tolist()
    nodes = [node for node in found if position in (None, graph.node_position[node])]
    if found and not nodes:
        at = ", ".join(str(graph.node_position[node]) for node in found)
        raise ClewError(f"The graph has L{place[0]}/{place[1]} at position {at}, not at {position}.")
    return sorted(nodes, key=lambda node: -graph.node_influence[node])


def _print_here(console: Console, graph: Graph, nodes: list[int], record: FeatureRecord | None) -> None:
    if not nodes:
        print_title(console, "Not in this graph")
        return
    called = graph.label(nodes[0])
    known = record.label.text if record and record.label else None
    print_title(console, "In this graph", f"called {readable(called)}" if called and called != known else "")
    rows = table("position", "token", "influence", "activation", *[""] * (record is not None))
    for column in rows.columns:
        column.no_wrap = True
    for column in (0, 2, 3):
        rows.columns[column].justify = "right"
    weight = float(graph.target_weight.sum()) or 1.0
    for node in nodes[:MOST_ROWS]:
        position, activation = int(graph.node_position[node]), float(graph.node_activation[node])
        rows.add_row(
            str(position),
            token(graph.info.tokens[position]),
            percent(float(graph.node_influence[node]) / weight),
            f"{activation:.2f}",
            *([] if record is None else [_beyond(record, activation)]),
        )
    print_indented(console, rows)
    if len(nodes) > MOST_ROWS:
        print_indented(console, f"and at {len(nodes) - MOST_ROWS:,} more positions")
    if record is None and (words := promoted(graph, nodes[0])):
        print_indented(console, f"promotes {', '.join(words)}")


def _beyond(record: FeatureRecord, activation: float) -> str:
    """How rare so strong an activation is in the texts of the index."""
    below = record.histogram.share_below(activation)
    if below is None:
        return ""
    share = 1 - below if activation < 0 else below
    return f"beyond {'all' if share >= 1 else percent(share, 2)} of the texts' tokens"


def _not_told(graph: Graph, index: Index | None) -> str:
    if index is not None:
        return f"{index.path} knows nothing of it"
    whose = f"{graph.info.model} with {graph.info.dictionary}"
    return f"there is no index of {whose} (clew index --data TEXTS makes one)"
