"""`clew index import`: make an index of detail files that other tools wrote."""

from __future__ import annotations

import argparse
from pathlib import Path

from clew.files import named_path

SUMMARY = "make an index of detail files that other tools wrote"
USAGE = "DIR|FILE --out INDEX [options]"
EXAMPLE = """\
example:
  clew index import my-features --out mine.sqlite3
  clew index import my-features --out mine.sqlite3 --model gemma3-270m"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="DIR|FILE", type=Path, help="a folder of detail files, or one file")
    parser.add_argument("--out", metavar="INDEX", type=Path, required=True, help="the index to make")
    parser.add_argument(
        "--model",
        metavar="NAME",
        default="",
        help="model of the features (default: the one that the files name)",
    )
    parser.add_argument(
        "--dictionary",
        metavar="REF",
        default="",
        help="dictionary of the features (default: the one that the files name)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Read everything, then write the index."""
    from clew.cli.progress import Progress
    from clew.index.exchange.importing import import_details

    with Progress() as progress:
        progress.stage(f"Reading {arguments.source}")
        count = import_details(arguments.source, arguments.out, arguments.model, arguments.dictionary)
    print(f"Saved  {arguments.out} ({count:,} features; others have no record)")
    _print_location(arguments.out)


def _print_location(out: Path) -> None:
    """Print where other commands look for this index, if its model is named."""
    from clew.index.storage.index import open_index
    from clew.index.storage.locations import default_location

    with open_index(out) as index:
        metadata = index.metadata
    if not metadata.model:
        print("       The files do not name a model; pass --model NAME.")
    elif (location := default_location(metadata.model, metadata.dictionary)).resolve() != named_path(
        out
    ).resolve():
        print(f"       Other commands look for it at {location}.")
