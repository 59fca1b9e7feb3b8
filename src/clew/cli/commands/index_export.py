"""`clew index export`: write an index as detail files that other tools read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.options import add_options
from clew.cli.settings import ExportSettings
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.feature import Feature
    from clew.index.storage.index import Index

SUMMARY = "write an index as detail files that other tools read"
USAGE = "INDEX --out DIR [options]"
EXAMPLE = """\
example:
  clew index export my-index.sqlite3 --out for-others
  clew index export my-index.sqlite3 --graph my.clew --examples 5 --out paris"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="INDEX", type=Path, help="an index")
    add_options(parser, ExportSettings, format="FORM")
    parser.add_argument(
        "--graph",
        metavar="FILE",
        nargs="+",
        help="features to write: those of these graphs (default: all that were ever active)",
    )
    add_options(parser, ExportSettings, examples="N")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="the folder to write, new or empty"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the features that were ever active, or those of graphs."""
    from clew.cli.progress import Progress
    from clew.index.exchange.exporting import export_index
    from clew.index.storage.index import open_index

    with open_index(arguments.file) as index, Progress() as progress:
        wanted = None if arguments.graph is None else _of_graphs(index, arguments.graph)
        count = export_index(
            index,
            arguments.out,
            arguments.format,
            on_progress=lambda done, total: progress.work("Writing features", done, total),
            features=wanted,
            examples=arguments.examples,
        )
    print(f"Saved  {arguments.out} ({count:,} features)")
    if wanted is not None and len(wanted) > count:
        print(f"       The index has nothing on {len(wanted) - count:,} other features of the graphs.")


def _of_graphs(index: Index, files: list[str]) -> set[Feature]:
    from clew.cli.index_lookup import open_graph_of_index
    from clew.index.labels.graph_features import features_of

    wanted = {feature for file in files for feature in features_of(open_graph_of_index(index, file))}
    if not wanted:
        raise ClewError(f"There are no features in {', '.join(files)}.")
    return wanted
