"""`clew index import`: make an index of detail files that other tools wrote."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "make an index of detail files that other tools wrote"
USAGE = "DIR|FILE --out INDEX [options]"
EXAMPLE = """\
example:
  clew index import features --out mine.sqlite3
  clew index import features --out mine.sqlite3 --model gemma3-270m"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="DIR|FILE", type=Path, help="a folder of detail files, or one file")
    parser.add_argument("--out", metavar="INDEX", type=Path, required=True, help="the index to make")
    parser.add_argument("--model", metavar="NAME", default="", help="their model (default: as the files say)")
    parser.add_argument(
        "--dictionary", metavar="REF", default="", help="their dictionary (default: as the files say)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the index when everything is read."""
    from clew.cli.progress import Progress
    from clew.index.exchange.importing import import_details

    with Progress() as progress:
        progress.stage(f"Reading {arguments.source}")
        count = import_details(arguments.source, arguments.out, arguments.model, arguments.dictionary)
    print(f"Saved  {arguments.out} ({count:,} features; it has nothing on others)")
    _print_location(arguments.out)


def _print_location(out: Path) -> None:
    """Print where other commands look for this index, if its model is named."""
    from clew.index.storage.index import open_index
    from clew.index.storage.locations import default_location

    with open_index(out) as index:
        about = index.metadata
    if not about.model:
        print("       The files do not name a model; pass --model NAME.")
    elif (
        location := default_location(about.model, about.dictionary)
    ).resolve() != out.expanduser().resolve():
        print(f"       Other commands look for it at {location}.")
