"""`clew index import`: files of details that other tools wrote, as an index."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "make an index of files of details that other tools wrote"
USAGE = "DIR|FILE --out INDEX [options]"
EXAMPLE = """\
example:
  clew index import features --out mine.sqlite3
  clew index import features --out mine.sqlite3 --model gemma3-270m"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="DIR|FILE", type=Path, help="packed or per-feature details, or one feature's"
    )
    parser.add_argument("--out", metavar="INDEX", type=Path, required=True, help="the index to make")
    parser.add_argument("--model", metavar="NAME", default="", help="of which model (what the files say)")
    parser.add_argument("--dictionary", metavar="REF", default="", help="of which features (theirs)")


def run(arguments: argparse.Namespace) -> None:
    """The index appears when everything is read."""
    from clew.cli.progress import Progress
    from clew.index.exchange.importing import import_details

    with Progress() as progress:
        progress.stage(f"Reading {arguments.source}")
        count = import_details(arguments.source, arguments.out, arguments.model, arguments.dictionary)
    print(f"Saved  {arguments.out} ({count:,} features; it knows nothing of others)")
    _print_whose(arguments.out)


def _print_whose(out: Path) -> None:
    """Where other commands would look for it, if the files or the options said whose features these are."""
    from clew.index.storage.index import open_index
    from clew.index.storage.locations import default_location

    with open_index(out) as index:
        about = index.metadata
    if not about.model:
        print("       of which model the files do not say; --model NAME would")
    elif (place := default_location(about.model, about.dictionary)).resolve() != out.expanduser().resolve():
        print(f"       at {place} other commands would find it")
