"""`clew show`: the report of a graph that lies in a file; needs neither model nor torch."""

from __future__ import annotations

import argparse
import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.arguments import whole_number
from clew.graph.thresholds import Thresholds
from clew.options import options_of

if TYPE_CHECKING:
    from clew.graph.graph import Graph
    from clew.index.storage.index import Index

SUMMARY = "print what is in a graph file"
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
    meaning = parser.add_argument_group("what its features mean")
    meaning.add_argument(
        "--index", type=Path, metavar="INDEX", help="an index of them (default: the one in your data folder)"
    )
    meaning.add_argument(
        "--examples",
        type=whole_number(0),
        metavar="N",
        help="texts for each of the first five (default: 2)",
    )
    meaning.add_argument(
        "--feature", type=feature_here, metavar="NAME", help="all about one feature: L12/403, L12/403@5"
    )


def feature_here(text: str) -> tuple[tuple[int, int], int | None]:
    """`L12/403@5`: layer and index, and the position if there is one."""
    found = re.fullmatch(r"[Ll]?(\d{1,9})/(\d{1,18})(?:@(\d{1,9}))?", text)
    if found is None:
        raise ArgumentTypeError(f"expected a feature such as L12/403 or L12/403@5, not {text!r}")
    return (int(found[1]), int(found[2])), None if found[3] is None else int(found[3])


def run(arguments: argparse.Namespace) -> None:
    from clew.cli.graph_index import index_for
    from clew.cli.progress import Progress
    from clew.graph.reader import open_graph

    with Progress() as progress:
        progress.stage(f"Opening {arguments.file}")
        opened = open_graph(arguments.file)
    with index_for(opened, arguments.index) as index:
        if arguments.feature is None:
            _print_graph(arguments, opened, index)
        else:
            _print_feature(arguments, opened, index)


def _print_graph(arguments: argparse.Namespace, opened: Graph, index: Index | None) -> None:
    from clew.cli.graph_index import only_warned
    from clew.cli.reports.graph import print_file, print_report
    from clew.cli.reports.influential_features import FEATURES, known_features
    from clew.cli.terminal import page
    from clew.index.labels.graph_features import with_index_labels

    graph = opened if opened.node_total is None else prune_as_asked(opened)
    count, known = 2 if arguments.examples is None else arguments.examples, []
    with only_warned(strictly=arguments.index is not None):
        if index:
            graph = with_index_labels(graph, index)
            known = known_features(graph, index, min(FEATURES, arguments.top)) if count else []
    with page() as console:
        print_report(
            console,
            graph,
            groups=arguments.groups,
            top=arguments.top,
            paths=arguments.paths,
            texts=(known, count),
        )
        print_file(console, "File", Path(arguments.file).expanduser(), opened)


def _print_feature(arguments: argparse.Namespace, opened: Graph, index: Index | None) -> None:
    from clew.cli.reports.feature import print_feature
    from clew.cli.terminal import page

    place, position = arguments.feature
    count = 5 if arguments.examples is None else arguments.examples
    with page() as console:
        print_feature(console, opened, index, place, position, count)


def prune_as_asked(whole: Graph) -> Graph:
    """Pruned at the thresholds that the file names, or else at the recommended ones."""
    settings = whole.info.settings
    named = {
        name: settings[name] for name in options_of(Thresholds) if isinstance(settings.get(name), int | float)
    }
    return whole.prune(**named)
