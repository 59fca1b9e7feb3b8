"""Labels from a language model, several features at once; each label is saved as soon as it is made.

The confidence of a label says how well it picks out texts that it was not made from. With P such texts on
which the feature is active, and N others, it is the balanced accuracy (1 is faultless, guessing gives 0.5):

    confidence = (active texts picked / P + other texts left / N) / 2
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from clew.errors import ClewError
from clew.index.labels.endpoint import BYTES_PER_TOKEN, NoAnswer, Stopped
from clew.index.labels.evidence import Evidence
from clew.index.labels.prompts import (
    VERSION,
    Malformed,
    Messages,
    detect,
    explain,
    read_active,
    read_label,
    shuffled,
    size,
)
from clew.index.labels.rate_limits import Budget, CapReached, Prices

FAILURES_IN_A_ROW = 5
"""Features without an answer after which a run stops."""
UNUSABLE_IN_A_ROW = 10
"""Unusable answers after which a run stops, since they cost as much as good ones."""
REQUESTS_EACH = 2
"""Requests for one feature."""
SAMPLE = 32
"""Features whose prompts are measured for an estimate."""
USUAL_LABEL = "a plain phrase of some eight words here"
USUAL_ANSWER = 25
"""Tokens of an answer without thinking aloud."""

Item = TypeVar("Item")
Ask = Callable[[Messages], str]


@dataclass(frozen=True)
class ModelLabel:
    """A label that a language model gave."""

    text: str
    confidence: float | None
    """None where there were too few texts to hold any out."""
    detail: dict[str, Any]
    """Facts about how the label was made and tested."""


@dataclass(frozen=True)
class LabelCounts:
    """The features of a run, counted by outcome."""

    labelled: int = 0
    nothing_to_show: int = 0
    malformed: int = 0
    failed: int = 0
    stopped_by: str = ""
    """The cap that ended the run; empty where all features were tried."""
    last_trouble: str = ""

    @property
    def done(self) -> int:
        return self.labelled + self.nothing_to_show + self.malformed + self.failed


@dataclass(frozen=True)
class Estimate:
    """An estimate of a run in which every request is answered at once."""

    features: int
    requests: int
    read: int
    written: int
    cost: float


def estimate(sample: Sequence[Evidence], features: int, prices: Prices) -> Estimate:
    """The estimate for so many features like those of the sample."""
    prompts = [explain(evidence) for evidence in sample if evidence.shown]
    prompts += [detect(USUAL_LABEL, evidence) for evidence in sample if evidence.shown and evidence.held_out]
    scale = features / max(1, len(sample))
    requests = round(len(prompts) * scale)
    read = round(sum(map(size, prompts)) / BYTES_PER_TOKEN * scale)
    written = requests * USUAL_ANSWER
    return Estimate(features, requests, read, written, prices.of(read, written))


def evenly_spaced(items: Sequence[Item]) -> list[Item]:
    """At most `SAMPLE` items, evenly spaced."""
    count = min(SAMPLE, len(items))
    return [items[at * len(items) // count] for at in range(count)]


def balanced_accuracy(picked: Collection[int], is_active: Sequence[bool]) -> float:
    """The confidence of a label that picked texts with these numbers, from 1; both kinds must be there."""
    active = {number for number, is_one in enumerate(is_active, start=1) if is_one}
    others = set(range(1, len(is_active) + 1)) - active
    return (len(active & set(picked)) / len(active) + len(others - set(picked)) / len(others)) / 2


def label_one(evidence: Evidence, ask: Ask) -> ModelLabel:
    """Ask for a label, then test it on the held-out texts; raises what `ask` raises, and `Malformed`."""
    text = read_label(ask(explain(evidence)))
    detail = {"prompts": VERSION, "side": "negative" if evidence.negative else "positive"}
    full_text = f"{text} (negative)" if evidence.negative else text
    if not evidence.held_out:
        return ModelLabel(full_text, None, detail)
    is_active = [active for _, active in shuffled(evidence)]
    picked = read_active(ask(detect(text, evidence)), len(is_active))
    detail |= {"active": len(evidence.held_out), "others": len(evidence.others)}
    return ModelLabel(full_text, balanced_accuracy(picked, is_active), detail)


def label_features(
    features: Iterable[Evidence],
    ask: Ask,
    save: Callable[[Evidence, ModelLabel], None],
    budget: Budget,
    *,
    parallel: int = 4,
    on_progress: Callable[[LabelCounts], None] = lambda counts: None,
    stop: threading.Event | None = None,
) -> LabelCounts:
    """Label each feature and give the label to `save`, in the caller's thread.

    A feature with a malformed or missing answer is counted and left for another run. A feature is begun only
    where the cap leaves enough requests for it. Raises `ClewError` for what every feature would meet, after
    all labels made so far are saved. After Ctrl-C nothing more is sent.
    """
    run = _LabelRun(save, on_progress)
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
                        cap = f"the cap of {budget.max_requests:,} requests"
                        run.counts = replace(run.counts, stopped_by=cap)
                    break
                run.collect()
                more = more and not run.counts.stopped_by
        except ClewError:
            stop.set()
            run.save_the_rest()
            raise
        finally:
            stop.set()
    return run.counts


class _LabelRun:
    """The features under way, and the counts of those that are done."""

    def __init__(
        self, save: Callable[[Evidence, ModelLabel], None], on_progress: Callable[[LabelCounts], None]
    ) -> None:
        self.under_way: dict[Future[ModelLabel], Evidence] = {}
        self.counts = LabelCounts()
        self._save, self._on_progress = save, on_progress
        self._failures_in_a_row = self._unusable_in_a_row = 0

    def count(self, **more: int) -> None:
        changed = {name: getattr(self.counts, name) + number for name, number in more.items()}
        self.counts = replace(self.counts, **changed)
        self._on_progress(self.counts)

    def collect(self) -> None:
        """Take the results that are there; an error is raised when every label is saved."""
        finished, _ = wait(self.under_way, return_when=FIRST_COMPLETED)
        fatal: ClewError | None = None
        for future in finished:
            try:
                self._take(self.under_way.pop(future), future)
            except ClewError as error:
                fatal = error
        if fatal is not None:
            raise fatal

    def save_the_rest(self) -> None:
        """Wait for what is under way and save it, without further errors."""
        wait(self.under_way)
        for future, evidence in self.under_way.items():
            with suppress(ClewError):
                self._take(evidence, future)

    def _take(self, evidence: Evidence, future: Future[ModelLabel]) -> None:
        try:
            label = future.result()
        except Malformed as error:
            self._failures_in_a_row = 0
            self._unusable_in_a_row += 1
            self._count_trouble(evidence, error, malformed=1)
            if self._unusable_in_a_row >= UNUSABLE_IN_A_ROW:
                raise ClewError(
                    f"{UNUSABLE_IN_A_ROW} answers in a row cannot be used (the last one: {error})."
                ) from error
        except NoAnswer as error:
            self._failures_in_a_row += 1
            self._count_trouble(evidence, error, failed=1)
            if self._failures_in_a_row >= FAILURES_IN_A_ROW:
                raise ClewError(
                    f"The endpoint failed on {FAILURES_IN_A_ROW} features in a row (the last time: {error})."
                ) from error
        except CapReached as reached:
            self.counts = replace(self.counts, stopped_by=str(reached))
        except Stopped:
            pass
        else:
            self._failures_in_a_row = self._unusable_in_a_row = 0
            self._save(evidence, label)
            self.count(labelled=1)

    def _count_trouble(self, evidence: Evidence, error: Exception, **more: int) -> None:
        self.counts = replace(self.counts, last_trouble=f"{evidence.feature}: {error}")
        self.count(**more)
