"""`clew show`: the report of a graph in a file; needs neither model nor torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.arguments import feature_maybe_at
from clew.cli.options import add_option, add_options, settings_of
from clew.cli.settings import FeatureReportSettings, ReportSettings
from clew.files import named_path

if TYPE_CHECKING:
    from clew.graph.graph import Graph
    from clew.index.storage.index import Index

SUMMARY = "print the report of a graph"
USAGE = "FILE [options]"
EXAMPLE = """\
example:
  clew trace "The capital of France is" --out paris.clew
  clew show paris.clew --top 30"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .clew file, or a graph in Neuronpedia's JSON")
    add_options(parser, ReportSettings, groups="N", top="N", paths="N")
    meaning = parser.add_argument_group("meaning of features")
    meaning.add_argument(
        "--index",
        type=Path,
        metavar="INDEX",
        help="index of the features (default: the one in your data folder)",
    )
    add_option(meaning, ReportSettings, "examples", metavar="N", default=argparse.SUPPRESS)
    meaning.add_argument(
        "--feature",
        type=feature_maybe_at,
        metavar="NAME",
        help="print one feature only, such as L12/403 or L12/403@5",
    )


def run(arguments: argparse.Namespace) -> None:
    from clew.cli.index_lookup import index_of_graph
    from clew.cli.progress import Progress
    from clew.graph.reader import open_graph

    with Progress() as progress:
        progress.stage(f"Opening {arguments.file}")
        graph = open_graph(arguments.file)
    with index_of_graph(graph, arguments.index) as index:
        if arguments.feature is None:
            _print_graph(arguments, graph, index)
        else:
            _print_feature(arguments, graph, index)


def _print_graph(arguments: argparse.Namespace, whole: Graph, index: Index | None) -> None:
    from clew.cli.index_lookup import index_errors_as_warnings
    from clew.cli.reports.graph import print_file, print_report
    from clew.cli.reports.influential_features import influential_features
    from clew.cli.terminal import page
    from clew.graph.pruning import part_to_read
    from clew.index.labels.graph_features import with_index_labels

    settings = settings_of(arguments, ReportSettings)
    graph = part_to_read(whole)
    features = []
    with index_errors_as_warnings(strictly=arguments.index is not None):
        if index:
            graph = with_index_labels(graph, index)
            features = influential_features(graph, index, settings.top) if settings.examples else []
    with page() as console:
        print_report(console, graph, settings, features)
        print_file(console, "File", named_path(arguments.file), whole)


def _print_feature(arguments: argparse.Namespace, graph: Graph, index: Index | None) -> None:
    from clew.cli.reports.feature import print_feature
    from clew.cli.terminal import page

    with page() as console:
        settings = settings_of(arguments, FeatureReportSettings)
        print_feature(console, graph, index, arguments.feature, settings.examples)
