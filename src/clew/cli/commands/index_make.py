"""`clew index`: read texts once and keep what every feature fires on."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.arguments import whole_number
from clew.cli.model_options import add_dictionary, add_machine, load_model
from clew.cli.options import settings_of

if TYPE_CHECKING:
    from collections import Counter

    from clew.cli.progress import Progress
    from clew.index.creation.new_index import NewIndex

SUMMARY = "read texts once and keep what every feature fires on"
USAGE = "--data PATH ... [options]"
EXAMPLE = """\
example:
  clew index --data texts --tokens 1000000
  clew index --data more.jsonl.gz --shard 1/2 --out part1.sqlite3"""

SECONDS_BETWEEN_LINES = 30.0
"""In a log, which shows no bars."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to read")
    what.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="PATH",
        help="files or folders: .txt, .jsonl, .json, .gz of these, .parquet",
    )
    what.add_argument(
        "--tokens", type=whole_number(1), default=0, metavar="T", help="read at most so many (default: all)"
    )
    model = parser.add_argument_group("what to look at")
    model.add_argument(
        "--model",
        metavar="NAME",
        default="smollm2",
        help="short name (see clew models), folder, .gguf file or hub id (default: %(default)s)",
    )
    add_dictionary(model)
    where = parser.add_argument_group("where it goes")
    where.add_argument(
        "--out", metavar="FILE", type=Path, help="the index (default: in your data folder, by model)"
    )
    where.add_argument("--resume", action="store_true", help="go on with an unfinished index")
    where.add_argument(
        "--replace",
        action="store_true",
        help="put it in place of an older one, whose labels it keeps",
    )
    where.add_argument(
        "--shard", type=shard, default=(1, 1), metavar="I/N", help="do part I of N; merge the parts later"
    )
    add_machine(parser.add_argument_group("how it is computed"))


def shard(text: str) -> tuple[int, int]:
    """`2/4`: the second of four."""
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second)):
        raise ArgumentTypeError(f"expected a part such as 1/2 or 2/2, not {text!r}")
    return int(first), int(second)


def run(arguments: argparse.Namespace) -> None:
    """Refuse texts that are not there before a model is loaded."""
    from collections import Counter

    from clew.cli.progress import Progress
    from clew.index.creation.corpus import find_files
    from clew.index.creation.new_index import make_index
    from clew.index.settings import IndexSettings
    from clew.index.storage.locations import check_location

    find_files(arguments.data)
    if arguments.out is not None and not arguments.replace:
        check_location(arguments.out.expanduser(), resume=arguments.resume)
    skipped: Counter[str] = Counter()
    first: dict[str, Path] = {}

    def skip(reason: str, path: Path) -> None:
        skipped[reason] += 1
        first.setdefault(reason, path)

    with Progress() as progress, _stop_gently(progress) as should_stop:
        model = load_model(arguments, progress)
        made = make_index(
            model.language_model,
            model.dictionary,
            arguments.data,
            settings_of(arguments, IndexSettings),
            on_progress=_reporter(progress),
            on_skip=skip,
            should_stop=should_stop,
        )
    _warn(skipped, first)
    if not made.metadata.complete:
        raise KeyboardInterrupt(
            f"{made.path} holds {made.metadata.positions:,} tokens so far; "
            "the same command with --resume goes on"
        )
    _print_done(made)


@contextmanager
def _stop_gently(progress: Progress) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C asks for a checkpoint and an end; the second ends at once."""
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt("the index stands at its last checkpoint; --resume goes on with it")
        asked = True
        progress.note("Stopping after this batch; Ctrl-C again stops at once.")

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # only a program's first thread hears signals
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


def _reporter(progress: Progress) -> Callable[[str, int, int], None]:
    """Tokens, tokens a second and time left; in a log a line now and then."""
    begun: tuple[float, int] | None = None
    said = time.monotonic()

    def line(text: str) -> None:
        nonlocal said
        if sys.stderr.isatty():
            progress.stage(text)
        elif time.monotonic() - said > SECONDS_BETWEEN_LINES:
            said = time.monotonic()
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


def _warn(skipped: Counter[str], first: dict[str, Path]) -> None:
    for reason, count in skipped.most_common():
        times = "once" if count == 1 else f"{count:,} times"
        where = "in" if count == 1 else "first in"
        print(f"Warning: skipped {times}: {reason} ({where} {first[reason]})", file=sys.stderr)


def _print_done(made: NewIndex) -> None:
    if not made.read:
        print(f"{made.path} is complete already; nothing was read. --replace makes a new one in its place.")
        return
    from clew.cli.terminal import size
    from clew.index.storage.index import open_index

    about, out = made.metadata, made.path
    with open_index(out) as index:
        seen = index.count_seen()
    never = about.n_features - seen
    read = f"{about.positions:,} tokens of {about.texts:,} text{'s' * (about.texts != 1)}"
    features = f"{about.n_features:,} features of {about.n_layers} layers"
    print(f"Saved  {out} ({features} on {read}, {size(out.stat().st_size)})")
    if not about.positions:
        print("       No text was left for this part; use fewer parts, or more text.")
    if made.labels:
        print(f"       {made.labels:,} labels went over from the old one")
    if never and about.positions:
        print(f"       {never:,} features were never active in these texts")
