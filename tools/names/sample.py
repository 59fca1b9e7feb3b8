"""The features whose names are judged: drawn at random from the small index that comes with clew."""

from __future__ import annotations

from pathlib import Path
from random import Random

from clew.feature import Feature
from clew.index.labels.feature_names import facts_in
from clew.index.storage.index import Index, open_index
from clew.index.storage.locations import find_index

COUNT, SEED = 200, 16
MODEL, DICTIONARY = "smollm2", "smollm2-plt"


def shipped() -> Index:
    location = find_index(MODEL, DICTIONARY)
    assert location is not None
    return open_index(location)


def drawn(index: Index) -> list[Feature]:
    """`COUNT` features with texts, by layer."""
    every = sorted(feature for feature in index.most_frequent(10**6))
    return sorted(Random(SEED).sample(every, COUNT))


def names(index: Index, features: list[Feature]) -> dict[Feature, str]:
    facts = facts_in(index, dict.fromkeys(features))
    return {feature: facts[feature].name for feature in features}


def print_texts(out: Path | None = None) -> None:
    """Print names with their texts, to read and judge."""
    with shipped() as index:
        features = drawn(index)
        named = names(index, features)
        excerpts = index.excerpts(dict.fromkeys(features))
        for feature in features:
            excerpt = excerpts[feature]
            print(f"## {feature} [{named[feature]}] {excerpt.frequency:.3f}")
            print("   peaks", " ".join(f"{token!r}:{share:.2f}" for token, share in excerpt.peaks[:6]))
            print("   says ", " ".join(map(repr, excerpt.promotes)))
            for text in excerpt.texts[:6]:
                front = "".join(text.tokens[max(0, text.peak_at - 10) : text.peak_at])
                back = "".join(text.tokens[text.peak_at + 1 : text.peak_at + 5])
                print(f"   {text.peak:6.2f} {front!r} [[{text.tokens[text.peak_at]}]] {back!r}")


if __name__ == "__main__":
    print_texts()
