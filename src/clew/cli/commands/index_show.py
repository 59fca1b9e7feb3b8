"""`clew index show`: print the record of one feature."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.arguments import feature
from clew.cli.options import add_options
from clew.cli.settings import FeatureReportSettings
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.feature import Feature
    from clew.index.storage.index import Index

SUMMARY = "print the record of one feature"
USAGE = "FILE FEATURE [options]"
EXAMPLE = """\
example:
  clew index --data my-texts --tokens 1000000 --out my-index.sqlite3
  clew index show my-index.sqlite3 L12/403"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="an index")
    parser.add_argument("feature", metavar="FEATURE", type=feature, help="a feature, such as L12/403")
    add_options(parser, FeatureReportSettings, examples="N")


def run(arguments: argparse.Namespace) -> None:
    from clew.cli.reports.feature import print_heading, print_record
    from clew.cli.terminal import page
    from clew.index.storage.index import open_index

    named: Feature = arguments.feature
    with open_index(arguments.file) as index, page() as console:
        record = index.feature(named.layer, named.index)
        if record is None:
            raise ClewError(f"{arguments.file} {_reason(index, named)}.")
        print_heading(console, index, record)
        print_record(console, record, arguments.examples)


def _reason(index: Index, named: Feature) -> str:
    """A clause that says why an index has no record of a feature."""
    if index.metadata.partial:
        return f"has nothing on {named}: it holds some of the features only"
    widths = index.metadata.widths
    if named.layer >= len(widths):
        has = f"layers 0 to {len(widths) - 1}"
    elif widths[named.layer]:
        has = f"features 0 to {widths[named.layer] - 1:,} in layer {named.layer}"
    else:
        has = f"none in layer {named.layer}"
    return f"has no feature {named}; it has {has}"
