"""`clew show`: the report of a graph that lies in a file; needs neither model nor torch."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clew.cli.arguments import whole_number

if TYPE_CHECKING:
    from clew.graph.graph import Graph

USAGE = "FILE [options]"
EXAMPLE = """\
example:
  clew trace "The capital of France is" --out paris.clew
  clew show paris.clew --top 30"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .clew file, or a graph in Neuronpedia's JSON")
    parser.add_argument(
        "--groups", type=whole_number(0), default=12, metavar="N", help="groups to sum it up in (default: 12)"
    )
    parser.add_argument(
        "--top", type=whole_number(0), default=15, metavar="N", help="features to list (default: 15)"
    )
    parser.add_argument(
        "--paths", type=whole_number(0), default=8, metavar="N", help="paths to list (default: 8)"
    )


def run(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from clew.cli.layout import page
    from clew.cli.progress import Progress
    from clew.cli.report import print_file, print_report
    from clew.graph.file import open_graph

    with Progress() as progress:
        progress.stage(f"Opening {arguments.file}")
        opened = open_graph(arguments.file)
        whole = opened if opened.node_total is not None else None
        graph = opened if whole is None else prune_as_asked(whole)
    with page() as console:
        print_report(console, graph, groups=arguments.groups, top=arguments.top, paths=arguments.paths)
        print_file(console, "File", Path(arguments.file).expanduser(), opened)


def prune_as_asked(whole: Graph) -> Graph:
    """Pruned at the thresholds that the file names, or else at the recommended ones."""
    from clew.graph.prune import EDGE_THRESHOLD, NODE_THRESHOLD

    settings = whole.info.settings
    thresholds = {"node_threshold": NODE_THRESHOLD, "edge_threshold": EDGE_THRESHOLD}
    named = {name: settings[name] for name in thresholds if isinstance(settings.get(name), int | float)}
    return whole.prune(**(thresholds | named))
