"""`clew compare`: what graphs in files have in common; needs neither model nor torch."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clew.cli.options import add_option, settings_of
from clew.cli.settings import CompareSettings
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.graph.graph import Graph

SUMMARY = "print what two or more graphs share"
USAGE = "FILE FILE [FILE ...] [options]"
EXAMPLE = """\
example:
  clew trace "The capital of France is" --out paris.clew
  clew trace "The capital of Germany is" --out berlin.clew
  clew compare paris.clew berlin.clew"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help=".clew files, or graphs in Neuronpedia's JSON"
    )
    add_option(parser, CompareSettings, "features", metavar="N")


def run(arguments: argparse.Namespace) -> None:
    from clew.cli.progress import Progress
    from clew.cli.reports.comparison import print_comparison
    from clew.cli.terminal import page
    from clew.graph.feature_table import compare_features

    settings = settings_of(arguments, CompareSettings)
    if len(arguments.files) < 2:
        raise ClewError("A comparison needs two or more graphs; name their files.")
    with Progress() as progress:
        graphs = []
        for file in arguments.files:
            progress.stage(f"Opening {file}")
            graphs.append(_opened(file))
    table = compare_features(graphs, settings.features)
    sentences = graphs[0].compare(graphs[1]).sentences if len(graphs) == 2 else ()
    with page() as console:
        print_comparison(console, table, sentences)


def _opened(file: str) -> Graph:
    """A graph with the labels of its index, where there is one."""
    from clew.cli.index_lookup import index_errors_as_warnings, index_of_graph
    from clew.graph.reader import open_graph
    from clew.index.labels.graph_features import with_index_labels

    graph = open_graph(file)
    with index_of_graph(graph, None) as index, index_errors_as_warnings(strictly=False):
        if index:
            graph = with_index_labels(graph, index)
    return graph
