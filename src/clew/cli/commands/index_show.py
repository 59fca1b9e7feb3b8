"""`clew index show`: print what is known of one feature."""

from __future__ import annotations

import argparse
import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.arguments import whole_number
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.index.storage.index import Index

SUMMARY = "print what is known of one feature"
USAGE = "FILE FEATURE [options]"
EXAMPLE = """\
example:
  clew index --data texts --tokens 1000000 --out smollm2.sqlite3
  clew index show smollm2.sqlite3 L12/403"""


def feature_name(text: str) -> tuple[int, int]:
    """`L12/403`: layer and index."""
    found = re.fullmatch(r"[Ll]?(\d+)/(\d+)", text)
    if found is None:
        raise ArgumentTypeError(f"expected a feature such as L12/403, not {text!r}")
    return int(found[1]), int(found[2])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="an index")
    parser.add_argument("feature", metavar="FEATURE", type=feature_name, help="layer and index: L12/403")
    parser.add_argument(
        "--examples", type=whole_number(0), default=5, metavar="N", help="of each kind (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> None:
    from clew.cli.reports.feature import print_facts, print_heading
    from clew.cli.terminal import page
    from clew.index.storage.index import open_index

    layer, feature = arguments.feature
    with open_index(arguments.file) as index, page() as console:
        record = index.feature(layer, feature)
        if record is None:
            raise ClewError(f"{arguments.file} {_why_not(index, layer, feature)}.")
        print_heading(console, index, record)
        print_facts(console, record, arguments.examples)


def _why_not(index: Index, layer: int, feature: int) -> str:
    widths = index.metadata.widths
    if index.metadata.partial:
        return f"knows nothing of L{layer}/{feature}: it holds some of the features only"
    if layer >= len(widths):
        has = f"layers 0 to {len(widths) - 1}"
    elif widths[layer]:
        has = f"features 0 to {widths[layer] - 1} in layer {layer}"
    else:
        has = f"none in layer {layer}"
    return f"has no feature L{layer}/{feature}; it has {has}"
