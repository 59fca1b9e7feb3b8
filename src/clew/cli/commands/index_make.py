"""`clew index make`: read texts and record where each feature fires."""

from __future__ import annotations

import argparse
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.model_options import add_machine, add_model, load_model
from clew.cli.options import add_option, add_options, settings_of
from clew.files import named_path
from clew.index.settings import IndexSettings
from clew.interruption import ending_softly
from clew.load_settings import LoadSettings

if TYPE_CHECKING:
    from clew.cli.progress import Progress
    from clew.index.creation.new_index import NewIndex

SUMMARY = "read texts and record where each feature fires"
USAGE = "--data PATH ... [options]"
EXAMPLE = """\
example:
  clew index --data my-texts --tokens 1000000
  clew index --data my-texts.jsonl.gz --shard 1/2 --out part1.sqlite3"""

STOPPING = "Stopping after this batch; press Ctrl-C again to stop at once."
AT_CHECKPOINT = "the index is at its last checkpoint; --resume continues"

SECONDS_BETWEEN_LINES = 30.0
"""Seconds between lines in a log, which shows no bars."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    texts = parser.add_argument_group("texts")
    texts.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="PATH",
        help="files or folders: .txt, .jsonl, .json, .gz or .xz of these, .parquet",
    )
    add_options(texts, IndexSettings, tokens="T")
    add_model(parser.add_argument_group("model"))
    output = parser.add_argument_group("output")
    add_option(output, IndexSettings, "out", metavar="FILE", type=Path)
    add_options(output, IndexSettings, resume="", replace="")
    add_option(output, IndexSettings, "shard", metavar="I/N", type=shard, default=argparse.SUPPRESS)
    add_machine(parser.add_argument_group("computation"))


def shard(text: str) -> tuple[int, int]:
    """`2/4` for the second of four parts."""
    part, _, total = text.partition("/")
    if not (part.isdecimal() and total.isdecimal() and 1 <= int(part) <= int(total)):
        raise ArgumentTypeError(f"expected a part such as 1/2 or 2/2, not {text!r}")
    return int(part), int(total)


def run(arguments: argparse.Namespace) -> None:
    """Check the texts and the place of the index before a model is loaded."""
    from clew.cli.progress import Progress
    from clew.index.creation.corpus import find_files
    from clew.index.creation.new_index import make_index
    from clew.index.storage.locations import check_location

    find_files(arguments.data)
    if arguments.out is not None and not arguments.replace:
        check_location(named_path(arguments.out), resume=arguments.resume)
    skipped: dict[str, list[Path]] = {}

    with Progress() as progress:
        model = load_model(settings_of(arguments, LoadSettings), progress)  # Ctrl-C ends this at once
        with ending_softly(lambda: progress.note(STOPPING), AT_CHECKPOINT) as should_stop:
            made = make_index(
                model.language_model,
                model.dictionary,
                arguments.data,
                settings_of(arguments, IndexSettings),
                on_progress=_reporter(progress),
                on_skip=lambda reason, path: skipped.setdefault(reason, []).append(path),
                should_stop=should_stop,
            )
    _warn_of_skipped(skipped)
    if not made.metadata.complete:
        raise KeyboardInterrupt(
            f"{made.path} holds {made.metadata.positions:,} tokens so far; "
            "the same command with --resume continues"
        )
    _print_done(made)


def _reporter(progress: Progress) -> Callable[[str, int, int], None]:
    """An `OnProgress` that shows tokens, tokens a second and time left; in a log, a line now and then."""
    begun: tuple[float, int] | None = None
    last_line = time.monotonic()

    def line(text: str) -> None:
        nonlocal last_line
        if sys.stderr.isatty():
            progress.stage(text)
        elif time.monotonic() - last_line > SECONDS_BETWEEN_LINES:
            last_line = time.monotonic()
            progress.note(text)

    def report(phase: str, done: int, total: int) -> None:
        nonlocal begun
        if phase != "reading":
            words = {"saving": "Saving", "output tokens": "Reading output tokens"}
            line(words.get(phase, phase) + (f" ({done} of {total} layers)" if total > done else ""))
            return
        now = time.monotonic()
        begun = begun or (now, done)
        rate = (done - begun[1]) / max(now - begun[0], 1e-9)
        text = f"Read {done:,}{f' of {total:,}' if total else ''} tokens"
        if rate > 0 and done > begun[1]:
            left = f", {_duration((total - done) / rate)} left" if total else ""
            text += f", {rate:,.0f} tokens/s{left}"
        line(text)

    return report


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _warn_of_skipped(skipped: dict[str, list[Path]]) -> None:
    for reason, paths in sorted(skipped.items(), key=lambda item: -len(item[1])):
        times, where = ("once", "in") if len(paths) == 1 else (f"{len(paths):,} times", "first in")
        print(f"Warning: skipped {times}: {reason} ({where} {paths[0]})", file=sys.stderr)


def _print_done(made: NewIndex) -> None:
    if not made.read:
        print(f"{made.path} is already complete, so nothing was read; pass --replace to make it anew.")
        return
    from clew.cli.terminal import size
    from clew.index.storage.index import open_index

    metadata, out = made.metadata, made.path
    with open_index(out) as index:
        seen = index.count_seen()
    never = metadata.n_features - seen
    read = f"{metadata.positions:,} tokens of {metadata.texts:,} text{'s' * (metadata.texts != 1)}"
    features = f"{metadata.n_features:,} features of {metadata.n_layers} layers"
    print(f"Saved  {out} ({features} on {read}, {size(out.stat().st_size)})")
    if not metadata.positions:
        print("       This part has no text; use fewer parts or more text.")
    if made.labels:
        labels = "1 label was" if made.labels == 1 else f"{made.labels:,} labels were"
        print(f"       {labels} copied from the old index.")
    if never and metadata.positions:
        print(f"       {never:,} features were never active in these texts.")
