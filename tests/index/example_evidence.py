"""Made-up evidence: texts about cats, and texts about nothing."""

from __future__ import annotations

from clew.feature import Feature
from clew.index.labels.evidence import ActiveText, Evidence, sort_texts


def window(text: str, peak: str, strength: float = 1.0) -> ActiveText:
    """The words of a text; those that hold `peak` are active."""
    tokens = tuple(f" {word}" for word in text.split())
    return ActiveText(tokens, tuple(strength if peak in token else 0.0 for token in tokens))


def cats(count: int = 12) -> list[ActiveText]:
    return [window(f"number {n} saw a black cat today", "cat", 10.0 - n / 10) for n in range(count)]


def dogs(count: int = 12) -> list[ActiveText]:
    return [window(f"number {n} saw a brown dog today", "none") for n in range(count)]


def evidence(layer: int = 1, feature: int = 7, active: int = 12, **options: bool) -> Evidence:
    """Evidence with eight texts shown, four held out, and four others."""
    return sort_texts(Feature(layer, feature), cats(active), dogs(), (" cat", " Cats", " dog"), **options)
