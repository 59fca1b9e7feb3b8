"""`clew index merge`: join the indexes that several workers made."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "join the indexes that several workers made"
USAGE = "OUT SHARD ..."
EXAMPLE = """\
example:
  clew index --data my-texts --shard 1/2 --out my-part-1.sqlite3
  clew index --data my-texts --shard 2/2 --out my-part-2.sqlite3
  clew index merge whole.sqlite3 my-part-1.sqlite3 my-part-2.sqlite3"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", metavar="OUT", type=Path, help="the index to write")
    parser.add_argument("shards", metavar="SHARD", type=Path, nargs="+", help="all its parts")


def run(arguments: argparse.Namespace) -> None:
    from clew.cli.progress import Progress
    from clew.cli.terminal import size
    from clew.index.creation.shards import merge_shards

    out: Path = arguments.out
    with Progress() as progress:
        progress.stage(f"Merging {len(arguments.shards)} shards")
        metadata = merge_shards(
            out, arguments.shards, lambda phase, done, total: progress.work("Merging", done, total)
        )
    facts = f"{metadata.n_features:,} features on {metadata.positions:,} tokens, {size(out.stat().st_size)}"
    print(f"Saved  {out} ({facts})")
