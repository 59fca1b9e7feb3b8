"""A small index on disk: features that like one animal each, one of them on its negative side."""

from __future__ import annotations

from pathlib import Path

from clew.feature import Feature
from clew.index.exchange.feature_file import BOTTOM, TOP, FeatureFile, FileExample, Quantile
from clew.index.exchange.folder import write_details
from clew.index.exchange.importing import import_details

ANIMALS = ("cat", "cow", "hen", "dog", "pig", "fox")
N_FEATURES = len(ANIMALS)


def example(number: int, animal: str, activation: float) -> FileExample:
    tokens = tuple(f" {word}" for word in f"number {number} saw a black {animal} today".split())
    return FileExample(tokens, tuple(activation if animal in token else 0.0 for token in tokens))


def feature(number: int) -> FeatureFile:
    """Feature 3 is negative on dogs; feature 5 was seen on two texts only."""
    kind, sign = (BOTTOM, -1.0) if number == 3 else (TOP, 1.0)
    animal = ANIMALS[number]
    count = 2 if number == 5 else 12
    examples = [example(20 * number + n, animal, sign * (9 - n / 10)) for n in range(count)]
    return FeatureFile(
        Feature(2, number),
        transcoder="neurons",
        quantiles=(Quantile(kind, tuple(examples)),),
        top_outputs=(" cat", " Cats"),
        bottom_outputs=(" dog", " Dogs"),
        minimum=min(sign * 9, 0.0),
        maximum=max(sign * 9, 0.0),
        frequency=(number + 1) / 100,
    )


def make_index(folder: Path, model: str = "tiny") -> Path:
    """Features 0 to 5 of layer 2, the later ones more frequent."""
    write_details([feature(number) for number in range(N_FEATURES)], folder / "details", "json")
    import_details(folder / "details", folder / "index.sqlite3", model=model)
    return folder / "index.sqlite3"
