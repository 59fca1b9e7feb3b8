"""A graph of the gallery in words: what it shows, its supernodes, and the interventions that tested it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from clew.cli.reports.graph import group_table, print_story
from clew.cli.terminal import print_indented, print_title
from clew.gallery.exhibits import Exhibit
from clew.graph.graph import Graph
from clew.token_text import quote

FEW_GROUPS = 5
"""Groups besides the supernodes."""


def print_exhibit(console: Console, exhibit: Exhibit, graph: Graph) -> None:
    """Print what a teacher would read aloud, then the groups and the claims."""
    head = f"{exhibit.title}: {quote(exhibit.prompt)} → {quote(exhibit.answer)}"
    console.print(Text(head, style="bold"), soft_wrap=True)
    console.print(Text(f"\n{exhibit.story}"))
    print_story(console, graph.story())
    print_title(console, "Supernodes", "shares of the influence; + strengthens, - weakens, ± both")
    print_indented(console, group_table(graph.summarize(FEW_GROUPS)))
    print_title(console, "Tested", "each by an intervention, which the graph's history on the page holds")
    for number, claim in enumerate(exhibit.claims, start=1):
        print_indented(console, f"{number}. {claim}")
