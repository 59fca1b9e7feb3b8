"""What a run of `clew label` will take, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.index.labels.endpoint import ChatModel
    from clew.index.labels.limits import Budget
    from clew.index.labels.model_labels import Estimate, LabelCounts


def print_estimate(expected: Estimate, count: int, others: str, service: ChatModel, priced: bool) -> None:
    """What labelling `count` features will take."""
    print(
        f"{count:,} features to label; {others}\n"
        f"  Texts of the index go to {service.url} ({service.name}).\n"
        f"  About {expected.requests:,} requests, {expected.read:,} tokens read, {expected.written:,} written"
        + (f", at a cost of {expected.cost:.2g}." if priced else ".")
    )


def print_tally(tally: LabelCounts, budget: Budget, total: int, priced: bool, following: str) -> None:
    """How many features were labelled, what that took, and what went wrong."""
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
