"""`clew index export`: an index as files of details that other tools read."""

from __future__ import annotations

import argparse
from pathlib import Path

from clew.cli.arguments import one_of

USAGE = "INDEX --out DIR [options]"
EXAMPLE = """\
example:
  clew index export mine.sqlite3 --out for-others
  clew index export mine.sqlite3 --format packed --out for-others"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="INDEX", type=Path, help="an index that clew made")
    parser.add_argument(
        "--format",
        type=one_of("json", "packed"),
        default="json",
        metavar="FORM",
        help="json (a file a feature) or packed (a file a layer; default: %(default)s)",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="the folder to write, new or empty"
    )


def run(arguments: argparse.Namespace) -> None:
    """Features that were never seen are left out."""
    from clew.cli.progress import Progress
    from clew.examples.formats.from_index import export_index
    from clew.examples.index import open_index

    with open_index(arguments.file) as index, Progress() as progress:
        count = export_index(
            index,
            arguments.out,
            arguments.format,
            on_progress=lambda done, total: progress.work("Writing features", done, total),
        )
    print(f"Saved  {arguments.out} ({count:,} features)")
