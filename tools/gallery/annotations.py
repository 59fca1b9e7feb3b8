"""What a person wrote about a graph: `annotations/NAME.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "annotations"


@dataclass(frozen=True)
class Change:
    """One change of supernodes."""

    supernodes: tuple[str, ...]
    how: str = "ablate"
    value: float | None = None
    prompt: str | None = None
    """For a patch, the prompt to take activations from."""


@dataclass(frozen=True)
class Expected:
    """What a trial must show for its claim to be made."""

    answer: str | None = None
    """The likeliest next token afterwards."""
    risen: str | None = None
    """A token that is at least twice as likely afterwards."""
    quiets: str | None = None
    """A supernode whose features together keep at most half of their activation."""
    falls_to: float | None = None
    """The largest share of its probability that the answer keeps."""
    keeps: float | None = None
    """The smallest share of its probability that the answer keeps."""


@dataclass(frozen=True)
class Trial:
    """An intervention, and the sentence that it proves.

    The sentence has places for numbers: `{before[ Paris]}` and `{after[ Paris]}` (a token's probabilities),
    `{predicted}` and `{measured}` (changes of the centred logit of the graph's answer), `{left}` (the
    share of its activation that the supernode `quiets` keeps).
    """

    claim: str
    changes: tuple[Change, ...]
    expected: Expected
    strength: float = 1.0
    """Factor of all changes: 2 goes twice as far as the change."""


@dataclass(frozen=True)
class Annotation:
    """All that a person wrote about one graph."""

    title: str
    prompt: str
    summary: str
    story: str
    """A few sentences to read aloud."""
    supernodes: dict[str, list[str]]
    """Names of nodes by supernode."""
    trials: tuple[Trial, ...] = field(default=())


def read_annotation(name: str) -> Annotation:
    """The annotation of one graph of the gallery."""
    data: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    trials = [
        Trial(
            _one_line(each["claim"]),
            tuple(
                Change(**change | {"supernodes": tuple(change["supernodes"])}) for change in each["changes"]
            ),
            Expected(**each["expected"]),
            float(each.get("strength", 1)),
        )
        for each in data["trials"]
    ]
    return Annotation(
        title=data["title"],
        prompt=data["prompt"],
        summary=_one_line(data["summary"]),
        story=_one_line(data["story"]),
        supernodes={group: nodes.split() for group, nodes in data["supernodes"].items()},
        trials=tuple(trials),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
