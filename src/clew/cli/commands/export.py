"""`clew export`: a view of a graph as a figure, drawn without a browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from clew.cli.options import add_options, settings_of
from clew.cli.settings import FigureSettings
from clew.files import check_writable

SUMMARY = "draw a graph as SVG, PNG or PDF"
USAGE = "GRAPH FILE [options]"
EXAMPLE = """\
example:
  clew trace "The capital of France is" --out paris.clew
  clew export paris.clew paris.svg
  clew export paris.clew paris.png --view everything --theme dark --scale 4"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("graph", metavar="GRAPH", help="a .clew file, or a graph in Neuronpedia's JSON")
    parser.add_argument(
        "out", metavar="FILE", type=Path, help="the figure; its name ends in .svg, .png or .pdf"
    )
    add_options(parser, FigureSettings, view="VIEW", theme="THEME", scale="N")
    parser.add_argument(
        "--index",
        type=Path,
        metavar="INDEX",
        help="index with the features' labels (default: the one in your data folder)",
    )


def run(arguments: argparse.Namespace) -> None:
    from clew.cli.index_lookup import index_errors_as_warnings, index_of_graph
    from clew.cli.progress import Progress
    from clew.graph.pruning import part_to_read
    from clew.graph.reader import open_graph
    from clew.index.labels.graph_features import with_index_labels
    from clew.server.figure_file import check_figure, draw

    settings = settings_of(arguments, FigureSettings)
    check_figure(arguments.out)
    check_writable(arguments.out)
    with Progress() as progress:
        progress.stage(f"Opening {arguments.graph}")
        graph = part_to_read(open_graph(arguments.graph))
        strictly = arguments.index is not None
        with index_of_graph(graph, arguments.index) as index, index_errors_as_warnings(strictly=strictly):
            graph = with_index_labels(graph, index) if index else graph
        progress.stage(f"Drawing {arguments.out}")
        figure = draw(graph, arguments.out, settings.view, settings.theme, settings.scale)
    arguments.out.write_bytes(figure.content)
    print(f"Saved  {arguments.out}")
    if figure.lacking:
        print(
            f"Warning: The fonts of figures lack {figure.lacking}; an SVG shows them in the reader's fonts."
        )
