"""The graphs of the gallery, by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clew.errors import ClewError
from clew.options import nearest

FILES = Path(__file__).parent / "files"
"""For each graph `NAME.clew`, and `NAME.json` with what is told of it and its interventions."""

NAMES = ("capital", "antonym", "copied-name", "acronym", "agreement")
"""The gallery in the order in which it is shown."""


@dataclass(frozen=True)
class Exhibit:
    """One graph of the gallery."""

    name: str
    facts: dict[str, Any]
    """The content of its JSON file."""

    @property
    def graph_file(self) -> Path:
        """Its graph, with labelled supernodes and a description."""
        return FILES / f"{self.name}.clew"

    @property
    def title(self) -> str:
        """Its kind of question: "A capital"."""
        return self.facts["title"]

    @property
    def prompt(self) -> str:
        """The prompt that was traced."""
        return self.facts["prompt"]

    @property
    def answer(self) -> str:
        """The model's likeliest next token."""
        return self.facts["answer"]

    @property
    def summary(self) -> str:
        """One sentence about what the graph shows."""
        return self.facts["summary"]

    @property
    def story(self) -> str:
        """A few sentences to read aloud."""
        return self.facts["story"]

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The interventions that its description tells, oldest first: `claim`, `request` and `result`.

        Request and result are as the server has them (`clew.server.schemas.jobs`); a request names no graph.
        """
        return self.facts["trials"]

    @property
    def claims(self) -> list[str]:
        """One sentence for each trial, with the numbers that were measured."""
        return [trial["claim"] for trial in self.trials]


def exhibits() -> list[Exhibit]:
    """The whole gallery."""
    return [exhibit_named(name) for name in NAMES]


def exhibit_named(name: str) -> Exhibit:
    """One graph of the gallery; raises `ClewError` where it has none of this name."""
    if name not in NAMES:
        names = ", ".join(NAMES)
        raise ClewError(f"The gallery has no graph {name!r}; name one of {names}.{nearest(name, NAMES)}")
    return Exhibit(name, json.loads((FILES / f"{name}.json").read_text(encoding="utf-8")))
