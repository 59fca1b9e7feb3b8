"""`clew index cut`: write a small index of the features of some graphs, to share."""

from __future__ import annotations

import argparse
from pathlib import Path

from clew.cli.options import add_options
from clew.cli.settings import CutSettings

SUMMARY = "write a small index of the features of some graphs"
USAGE = "INDEX --graph FILE ... --out SMALL [options]"
EXAMPLE = """\
example:
  clew trace "The capital of France is" --out paris.clew
  clew index --data my-texts --out my-index.sqlite3
  clew index cut my-index.sqlite3 --graph paris.clew --out my-part.sqlite3
  clew serve paris.clew --index my-part.sqlite3"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="INDEX", type=Path, help="an index")
    parser.add_argument(
        "--graph", metavar="FILE", nargs="+", required=True, help="keep the features of these graphs"
    )
    parser.add_argument("--out", metavar="SMALL", type=Path, required=True, help="the index to write")
    add_options(parser, CutSettings, examples="N")


def run(arguments: argparse.Namespace) -> None:
    from clew.cli.index_lookup import open_graph_of_index
    from clew.cli.terminal import size
    from clew.index.exchange.exporting import cut_index
    from clew.index.labels.graph_features import features_of
    from clew.index.storage.index import open_index

    with open_index(arguments.file) as index:
        graphs = [open_graph_of_index(index, path) for path in arguments.graph]
    features = {feature for graph in graphs for feature in features_of(graph)}
    count = cut_index(arguments.file, arguments.out, features, arguments.examples)
    print(f"Saved  {arguments.out} ({count:,} features, {size(arguments.out.stat().st_size)})")
