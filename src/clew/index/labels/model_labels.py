"""Labels many features: several at once, each kept as soon as it is made, until there is a reason to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from clew.errors import ClewError
from clew.index.labels.answers import Malformed, read_active, read_label
from clew.index.labels.budget import Budget, CapReached
from clew.index.labels.detection import balanced_accuracy
from clew.index.labels.endpoint import NoAnswer, Stopped
from clew.index.labels.evidence import Evidence
from clew.index.labels.prompts import VERSION, Messages, detect, explain, mixed

FAILURES_IN_A_ROW = 5
"""So many features without an answer, one after the other, and the run stops."""
UNUSABLE_IN_A_ROW = 10
"""The same for answers that cannot be used: they cost as much as good ones."""
REQUESTS_EACH = 2

Ask = Callable[[Messages], str]


@dataclass(frozen=True)
class Made:
    """A label, how sure it is, and how both came about."""

    text: str
    confidence: float | None
    """Balanced accuracy on texts held out; None where there were too few texts to hold any out."""
    detail: dict[str, Any]


@dataclass(frozen=True)
class Tally:
    """What became of the features of a run."""

    labelled: int = 0
    nothing_to_show: int = 0
    malformed: int = 0
    failed: int = 0
    stopped_by: str = ""
    """The cap that ended the run; empty where it went through."""
    last_trouble: str = ""

    @property
    def done(self) -> int:
        return self.labelled + self.nothing_to_show + self.malformed + self.failed


def label_one(evidence: Evidence, ask: Ask) -> Made:
    """Ask for a label, then which of the texts held out it fits; raises what `ask` does, and `Malformed`."""
    text = read_label(ask(explain(evidence)))
    detail = {"prompts": VERSION, "side": "negative" if evidence.negative else "positive"}
    shown = f"{text} (negative)" if evidence.negative else text
    if not evidence.held_out:
        return Made(shown, None, detail)
    is_active = [active for _, active in mixed(evidence)]
    found = read_active(ask(detect(text, evidence)), len(is_active))
    detail |= {"active": len(evidence.held_out), "others": len(evidence.others)}
    return Made(shown, balanced_accuracy(found, is_active), detail)


def label_features(
    features: Iterable[Evidence],
    ask: Ask,
    keep: Callable[[Evidence, Made], None],
    budget: Budget,
    *,
    parallel: int = 4,
    on_progress: Callable[[Tally], None] = lambda tally: None,
    stop: threading.Event | None = None,
) -> Tally:
    """Label each feature and give it to `keep`, in the thread that called.

    Where an answer is malformed or missing the feature is counted and left for another run. A feature is
    begun only where the cap leaves its requests, so that none is asked about for nothing. Raises `ClewError`
    for what would go wrong with every feature, when all that was made is kept; after Ctrl-C nothing more is
    sent.
    """
    run = _Run(keep, on_progress)
    stop = stop or threading.Event()
    waiting = iter(features)
    with ThreadPoolExecutor(parallel, thread_name_prefix="label") as pool:
        try:
            more = True
            while more or run.under_way:
                while more and len(run.under_way) < parallel:
                    if budget.requests_left < REQUESTS_EACH * (len(run.under_way) + 1):
                        break
                    if (evidence := next(waiting, None)) is None:
                        more = False
                    elif not evidence.shown:
                        run.count(nothing_to_show=1)
                    else:
                        run.under_way[pool.submit(label_one, evidence, ask)] = evidence
                if not run.under_way:
                    if more:
                        run.tally = replace(
                            run.tally, stopped_by=f"the cap of {budget.max_requests:,} requests"
                        )
                    break
                run.collect()
                more = more and not run.tally.stopped_by
        except ClewError:
            stop.set()
            run.keep_the_rest()
            raise
        finally:
            stop.set()
    return run.tally


class _Run:
    """The features under way, and the count of those that are through."""

    def __init__(self, keep: Callable[[Evidence, Made], None], on_progress: Callable[[Tally], None]) -> None:
        self.under_way: dict[Future[Made], Evidence] = {}
        self.tally = Tally()
        self._keep, self._on_progress = keep, on_progress
        self._failures_in_a_row = self._unusable_in_a_row = 0

    def count(self, **more: int) -> None:
        changed = {name: getattr(self.tally, name) + number for name, number in more.items()}
        self.tally = replace(self.tally, **changed)
        self._on_progress(self.tally)

    def collect(self) -> None:
        """Take in what is through; every label is kept before a reason to stop is told."""
        finished, _ = wait(self.under_way, return_when=FIRST_COMPLETED)
        fatal: ClewError | None = None
        for future in finished:
            try:
                self._take(self.under_way.pop(future), future)
            except ClewError as error:
                fatal = error
        if fatal is not None:
            raise fatal

    def keep_the_rest(self) -> None:
        """Wait for what is under way, and let nothing else go wrong."""
        wait(self.under_way)
        for future, evidence in self.under_way.items():
            with suppress(ClewError):
                self._take(evidence, future)

    def _take(self, evidence: Evidence, future: Future[Made]) -> None:
        try:
            made = future.result()
        except Malformed as error:
            self._failures_in_a_row = 0
            self._unusable_in_a_row += 1
            self.tally = replace(self.tally, last_trouble=f"{evidence.name}: {error}")
            self.count(malformed=1)
            if self._unusable_in_a_row >= UNUSABLE_IN_A_ROW:
                raise ClewError(
                    f"{UNUSABLE_IN_A_ROW} answers in a row cannot be used (the last: {error})."
                ) from error
        except NoAnswer as error:
            self._failures_in_a_row += 1
            self.tally = replace(self.tally, last_trouble=f"{evidence.name}: {error}")
            self.count(failed=1)
            if self._failures_in_a_row >= FAILURES_IN_A_ROW:
                raise ClewError(
                    f"The endpoint failed on {FAILURES_IN_A_ROW} features in a row (the last: {error})."
                ) from error
        except CapReached as reached:
            self.tally = replace(self.tally, stopped_by=str(reached))
        except Stopped:
            pass
        else:
            self._failures_in_a_row = self._unusable_in_a_row = 0
            self._keep(evidence, made)
            self.count(labelled=1)
