"""The summary of a graph as a table: its groups, their layers, and what flows into each."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from clew.cli.features import AsManyAsFit
from clew.cli.layout import table
from clew.cli.spelling import percent, readable
from clew.graph.graph import NodeKind
from clew.graph.summary import GroupEdge, Summary

WIDEST_NAME = 30
LEAST_SOURCE = 0.03
"""Of what flows into a group; less is not worth naming."""
ONE_SIDED = 0.2
"""An effect has a sign if so much of it is left after cancelling."""


def group_table(summary: Summary) -> Table:
    """One group a line, from tokens up to outputs, by number; `8 +26%`: of what flows in, from group 8."""
    rows = table("", "group", "share", "layers", "fed by group")
    rows.columns[0].justify = rows.columns[2].justify = "right"
    rows.columns[0].style = "dim"
    for column in rows.columns[:4]:
        column.no_wrap = True
    for number, group in enumerate(summary.groups):
        is_inner = group.kind in (NodeKind.FEATURE, NodeKind.ERROR)
        low, high = group.layers
        edges = [edge for edge in summary.edges_into(number) if edge.share >= LEAST_SOURCE]
        rows.add_row(
            str(number + 1),
            _cut(readable(group.name)),
            "" if group.kind == NodeKind.TARGET else percent(group.share),
            (f"{low}" if low == high else f"{low}-{high}") if is_inner else "",
            AsManyAsFit("", [f"{edge.source + 1} {_sign(edge)}{percent(edge.share, 0)}" for edge in edges]),
            style="dim" if group.kind == NodeKind.ERROR else "",
        )
    return rows


def _sign(edge: GroupEdge) -> str:
    if abs(edge.effect) < ONE_SIDED * edge.carried:
        return "±"
    return "+" if edge.effect > 0 else "-"


def _cut(name: str) -> Text:
    text = Text(name)
    text.truncate(WIDEST_NAME, overflow="ellipsis")
    return text
