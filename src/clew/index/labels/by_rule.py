"""Labels many features by rule, and keeps them many at a time: each for itself would wait for the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from clew.index.labels.from_index import Place, each_evidence
from clew.index.labels.token_labels import MADE_BY, label_from_tokens
from clew.index.storage.index import Index

AT_ONCE = 500
"""Labels that are kept together; a kill loses no more."""


@dataclass
class ByRule:
    """What became of the features of a run."""

    labelled: int = 0
    waiting: dict[Place, str] = field(default_factory=dict)
    """Not kept yet."""


def label_by_rule(
    index: Index,
    places: Iterable[Place],
    sides: Mapping[Place, bool | None],
    tally: ByRule,
    on_progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Label each feature that the rules have a word for; `tally` counts what is kept, after Ctrl-C too."""
    try:
        for done, evidence in enumerate(each_evidence(index, places, sides, tested=False)):
            on_progress(done)
            if text := label_from_tokens(evidence):
                tally.waiting[evidence.layer, evidence.feature] = text
            if len(tally.waiting) >= AT_ONCE:
                _keep(index, tally)
    finally:
        _keep(index, tally)


def _keep(index: Index, tally: ByRule) -> None:
    index.set_labels(tally.waiting, "tokens", author=MADE_BY)
    tally.labelled += len(tally.waiting)
    tally.waiting = {}
