"""The report of `clew label`: what it will take, and its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.index.labels.endpoint import ChatModel
    from clew.index.labels.model_labels import Estimate, LabelCounts
    from clew.index.labels.rate_limits import Spent


def print_estimate(estimate: Estimate, count: int, others: str, service: ChatModel, priced: bool) -> None:
    """Print what labelling `count` features will take."""
    print(
        f"{count:,} features to label; {others}\n"
        f"  Texts of the index go to {service.url} ({service.name}).\n"
        f"  About {estimate.requests:,} requests, {estimate.read:,} tokens read, {estimate.written:,} written"
        + (f", at a cost of {estimate.cost:.2g}." if priced else ".")
    )


def print_tally(tally: LabelCounts, spent: Spent, total: int, priced: bool, how_to_continue: str) -> None:
    """Print how many features were labelled, what that took, and what went wrong."""
    cost = f", cost {spent.cost:.4g}" if priced else ""
    print(f"Labelled  {tally.labelled:,} of {total:,} features")
    print(f"  {spent.requests:,} requests, {spent.read:,} tokens read and {spent.written:,} written{cost}")
    for count, reason in (
        (tally.nothing_to_show, "have no texts to show"),
        (tally.malformed, "got an answer that cannot be used"),
        (tally.failed, "got no answer"),
    ):
        if count:
            print(f"  {count:,} {reason}")
    if tally.last_trouble:
        print(f"  the last error: {tally.last_trouble}")
    if tally.stopped_by:
        print(f"  stopped by {tally.stopped_by}; {how_to_continue}")


def labels_that_stay(count: int, again: bool) -> str:
    """A sentence about the features that keep their label."""
    return f"{count:,} have a label {'that is not replaced' if again else 'already'}."


def how_to_continue(again: bool) -> str:
    """A clause about running a stopped command again."""
    return f"the same command {'starts again' if again else 'continues'}"
