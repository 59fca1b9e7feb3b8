"""Labels by rule, without a language model: the names of `feature_names`, kept for the index's search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from clew.feature import Feature
from clew.index.labels.feature_names import facts_in
from clew.index.storage.index import Index

RULES = "token rules"
MADE_BY = f"{RULES} 2"
"""The author of these labels; raise the number with every change of the rules."""
LABELS_AT_ONCE = 500
"""Labels that are saved together, since each would wait for the disk; a kill loses no more."""


@dataclass
class RuleLabels:
    """The labels of a run: the number saved, and those that wait."""

    labelled: int = 0
    waiting: dict[Feature, str] = field(default_factory=dict)

    def save(self, index: Index) -> None:
        index.set_labels(self.waiting, "tokens", author=MADE_BY)
        self.labelled += len(self.waiting)
        self.waiting = {}


def label_by_rule(
    index: Index,
    features: Iterable[Feature],
    sides: Mapping[Feature, bool | None],
    labels: RuleLabels,
    on_progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Label each feature that the rules have a name for; `labels` counts those saved, also after Ctrl-C."""
    features = list(features)
    try:
        for done in range(0, len(features), LABELS_AT_ONCE):
            some = features[done : done + LABELS_AT_ONCE]
            facts = facts_in(index, {feature: sides.get(feature) for feature in some})
            for place, feature in enumerate(some):
                on_progress(done + place)
                if feature in facts and facts[feature].name:
                    labels.waiting[feature] = facts[feature].name
            labels.save(index)
    finally:
        labels.save(index)
