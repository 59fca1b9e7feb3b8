"""Labels from a language model: what it will take, whether to go on, what came of it."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from typing import TYPE_CHECKING

from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.cli.progress import Progress
    from clew.index.labels.budget import Budget
    from clew.index.labels.endpoint import Service
    from clew.index.labels.evidence import Evidence
    from clew.index.labels.from_index import Place
    from clew.index.labels.model_labels import Made, Tally
    from clew.index.storage.index import Index


def ask_for_labels(
    arguments: argparse.Namespace,
    service: Service,
    index: Index,
    todo: list[Place],
    sides: dict[Place, bool | None],
    progress: Progress,
) -> None:
    """Estimate, agree, ask, and print what came of it."""
    from clew.index.labels.budget import Budget, Prices
    from clew.index.labels.estimate import estimate, spread
    from clew.index.labels.from_index import each_evidence

    others = left_alone(len(sides) - len(todo), arguments.relabel)
    if not todo:
        print(f"Nothing to do: {others}")
        return
    prices = Prices(arguments.price_in or 0.0, arguments.price_out or 0.0)
    sample = list(each_evidence(index, spread(todo), sides))
    expected = estimate(sample, len(todo), prices)
    priced = arguments.price_in is not None
    progress.stop()
    print(
        f"{len(todo):,} features to label; {others}\n"
        f"  Texts of the index go to {service.url} ({service.model}).\n"
        f"  About {expected.requests:,} requests, {expected.read:,} tokens read, {expected.written:,} written"
        + (f", at a cost of {expected.cost:.2g}." if priced else ".")
    )
    _agree(arguments)
    budget = Budget(prices, arguments.max_requests, arguments.max_cost)
    tally = _labelled(arguments, service, index, todo, sides, budget, progress)
    _print_tally(tally, budget, len(todo), priced, what_next(arguments.relabel))
    if not tally.labelled and (tally.malformed or tally.failed):
        raise ClewError("No label was made.")


def _labelled(
    arguments: argparse.Namespace,
    service: Service,
    index: Index,
    todo: list[Place],
    sides: dict[Place, bool | None],
    budget: Budget,
    progress: Progress,
) -> Tally:
    from clew.index.labels.endpoint import Endpoint, sleep_until
    from clew.index.labels.from_index import each_evidence
    from clew.index.labels.model_labels import label_features
    from clew.index.labels.pace import Limits, Pace

    stop = threading.Event()
    pace = Pace(
        Limits(arguments.requests_per_minute, arguments.tokens_per_minute), time.monotonic, sleep_until(stop)
    )
    kept = 0
    progress.stage("Asking for labels")

    def keep(evidence: Evidence, made: Made) -> None:
        nonlocal kept
        index.set_label(
            evidence.layer,
            evidence.feature,
            made.text,
            "model",
            author=service.model,
            confidence=made.confidence,
            detail=json.dumps(made.detail),
        )
        kept += 1

    try:
        return label_features(
            each_evidence(index, todo, sides),
            Endpoint(service, pace, budget, stop).ask,
            keep,
            budget,
            parallel=arguments.parallel,
            on_progress=lambda tally: progress.work("Asking for labels", tally.done, len(todo)),
            stop=stop,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{kept:,} labels are kept, and {what_next(arguments.relabel)}") from None
    except ClewError as error:
        raise ClewError(f"{error} {kept:,} labels are kept, and {what_next(arguments.relabel)}.") from error


def _agree(arguments: argparse.Namespace) -> None:
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise ClewError("Nothing was sent: add --yes to start without being asked.")
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise ClewError("Nothing was sent.")


def _print_tally(tally: Tally, budget: Budget, total: int, priced: bool, following: str) -> None:
    spent = budget.spent
    cost = f", cost {spent.cost:.4g}" if priced else ""
    print(f"Labelled  {tally.labelled:,} of {total:,} features")
    print(f"  {spent.requests:,} requests, {spent.read:,} tokens read and {spent.written:,} written{cost}")
    for count, what in (
        (tally.nothing_to_show, "have no texts to show"),
        (tally.malformed, "got an answer that cannot be used"),
        (tally.failed, "got no answer"),
    ):
        if count:
            print(f"  {count:,} {what}")
    if tally.last_trouble:
        print(f"  the last trouble: {tally.last_trouble}")
    if tally.stopped_by:
        print(f"  stopped by {tally.stopped_by}; {following}")


def left_alone(count: int, again: bool) -> str:
    """How many of the features wanted keep their label."""
    return f"{count:,} have a label {'that goes before' if again else 'already'}."


def what_next(again: bool) -> str:
    """How a run that was stopped goes on."""
    return f"the same command {'begins again' if again else 'goes on'}"
