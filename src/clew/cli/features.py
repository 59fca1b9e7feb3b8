"""The most influential features of a graph, as a table."""

from __future__ import annotations

import numpy as np
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from clew.cli.spelling import percent, readable, token
from clew.graph.graph import Graph, NodeKind

WIDEST_TOKEN = 18
FEWEST_CELLS = 16
"""What the last column gets at least."""


class AsManyAsFit:
    """A label and tokens on one line: as many whole ones as there is room for."""

    def __init__(self, label: str, tokens: list[str]) -> None:
        self.label, self.tokens = label, tokens

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        whole = cell_len(self.label) + sum(cell_len(word) + 2 for word in self.tokens)
        return Measurement(min(whole, FEWEST_CELLS), min(whole, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = Text().append(self.label, style="italic")
        for number, word in enumerate(self.tokens):
            gap = ", " if number else ": " if self.label else ""
            longer = line + Text(gap + word)
            if number and longer.cell_len > options.max_width:
                break
            line = longer
        line.truncate(options.max_width, overflow="ellipsis")
        yield line


def most_influential(graph: Graph, count: int) -> list[int]:
    """Feature nodes, the most influential first."""
    features = graph.of_kind(NodeKind.FEATURE)
    order = np.argsort(-graph.node_influence[features], kind="stable")
    return features[order[:count]].tolist()


def feature_table(graph: Graph, count: int) -> Table:
    """Name, token, influence, activation and what it promotes, one feature a line."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("feature", no_wrap=True)
    table.add_column("token", no_wrap=True)
    table.add_column("influence", justify="right", no_wrap=True)
    table.add_column("activation", justify="right", no_wrap=True)
    table.add_column(_last_title(graph))  # the one that gives way where it is narrow
    weight = float(graph.target_weight.sum()) or 1.0
    for node in most_influential(graph, count):
        activation = float(graph.node_activation[node])
        table.add_row(
            graph.node_name(node),
            _cut(token(graph.info.tokens[graph.node_position[node]])),
            percent(float(graph.node_influence[node]) / weight),
            "" if np.isnan(activation) else f"{activation:.2f}",
            AsManyAsFit(readable(graph.label(node) or ""), promoted(graph, node)),
        )
    return table


def promoted(graph: Graph, node: int) -> list[str]:
    """Output tokens that a feature pushes up here, without their spaces, each once."""
    texts = graph.promoted(node)
    words = (token(text) if text.strip() in ("", ",") else readable(text.strip()) for text in texts)
    return list(dict.fromkeys(words))


def _cut(text: str) -> Text:
    cut = Text(text)
    cut.truncate(WIDEST_TOKEN, overflow="ellipsis")
    return cut


def _last_title(graph: Graph) -> str:
    if graph.output_tokens is None:
        return "label"
    labelled = graph.annotations.labels or graph.annotations.feature_labels or graph.index_labels
    return "label: promotes" if labelled else "promotes"
