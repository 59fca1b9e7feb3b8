"""What a feature is called, by whom, and whose word counts."""

from __future__ import annotations

from dataclasses import dataclass

from clew.errors import ClewError

SOURCES = ("person", "model", "tokens")
"""Who or what may label; who comes earlier goes before who comes later, whenever they said it."""
RANK = (
    f"CASE source {' '.join(f'WHEN {name!r} THEN {rank}' for rank, name in enumerate(SOURCES))} ELSE 99 END"
)
"""The same in SQL, from 0."""
LONGEST = 500
"""Characters of a label."""


@dataclass(frozen=True)
class Label:
    """A feature's label."""

    text: str
    source: str
    """`"person"`, `"model"` (a language model was asked) or `"tokens"` (made of tokens, by rule)."""
    author: str
    """The person, the model's name, or what made it."""
    confidence: float | None
    """How well the label told examples apart that it was not made from, 0 to 1; None where not tested."""
    created: str
    """ISO 8601, UTC."""
    detail: str | None = None
    """JSON: how it was made."""

    def __str__(self) -> str:
        sure = "" if self.confidence is None else f", {self.confidence:.0%} sure"
        return f"{self.text} ({self.source}{f' {self.author}' if self.author else ''}{sure})"


def check_label(text: str, source: str, confidence: float | None) -> str:
    """The text without the spaces around it; `ClewError` for what cannot be a label."""
    if source not in SOURCES:
        raise ClewError(f"A label comes from {', '.join(SOURCES[:-1])} or {SOURCES[-1]}, not {source!r}.")
    if len(text) > LONGEST:
        raise ClewError(f"A label of {len(text):,} characters is too long; at most {LONGEST}.")
    if confidence is not None and not 0 <= confidence <= 1:
        raise ClewError(f"A label's confidence is from 0 to 1, not {confidence}.")
    return " ".join(text.split())
