"""What labelling will take, before it starts: measured on the prompts of some of the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from clew.index.labels.budget import Prices
from clew.index.labels.endpoint import BYTES_PER_TOKEN
from clew.index.labels.evidence import Evidence
from clew.index.labels.prompts import detect, explain, size

Item = TypeVar("Item")

SAMPLE = 32
"""Features whose prompts are measured."""
USUAL_LABEL = "a plain phrase of some eight words here"
USUAL_ANSWER = 25
"""Tokens of an answer without thinking aloud."""


@dataclass(frozen=True)
class Estimate:
    """About what it takes if every request is answered at once."""

    features: int
    requests: int
    read: int
    written: int
    cost: float


def estimate(sample: Sequence[Evidence], features: int, prices: Prices) -> Estimate:
    """For so many features like those of the sample."""
    asked = [explain(evidence) for evidence in sample if evidence.shown]
    asked += [detect(USUAL_LABEL, evidence) for evidence in sample if evidence.shown and evidence.held_out]
    scale = features / max(1, len(sample))
    requests = round(len(asked) * scale)
    read = round(sum(map(size, asked)) / BYTES_PER_TOKEN * scale)
    written = requests * USUAL_ANSWER
    return Estimate(features, requests, read, written, prices.of(read, written))


def spread(items: Sequence[Item], count: int = SAMPLE) -> list[Item]:
    """At most so many items, evenly spaced."""
    return [items[at * len(items) // count] for at in range(count)] if len(items) > count else list(items)
