"""From what an index knows of a feature to what a label is made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from clew.errors import ClewError
from clew.index.labels.evidence import HELD_OUT, Evidence, Window, gather
from clew.index.storage.index import Index
from clew.index.storage.record import Example, FeatureRecord

Place = tuple[int, int]
"""Layer and index of a feature."""
SPARE = 3
"""Texts drawn for each that is needed: some may be known, or alike."""


def evidence_of(index: Index, place: Place, negative: bool | None = None, *, tested: bool = True) -> Evidence:
    """Texts and output tokens of one side of a feature; None for the side on which it is stronger.

    A feature that was never seen, or of which nothing is known, has no texts. Texts to test a label on are
    drawn if `tested`. Raises `ClewError` for a feature that is not in the index.
    """
    record = index.feature(*place)
    if record is None and index.about.feature_id(*place) is None:
        raise ClewError(f"There is no feature L{place[0]}/{place[1]} in {index.path}.")
    if record is None:
        return gather(*place, (), None, negative=bool(negative))
    if negative is None:
        negative = -(record.minimum or 0) > (record.maximum or 0)
    first = 0 if index.about.sink is None else 1
    others = _others(index, seed=record.name) if tested else None
    promoted = record.bottom_outputs if negative else record.top_outputs
    evidence = gather(
        *place,
        windows_of(record, negative=negative, first=first),
        others,
        [token.text for token in promoted],
        negative=negative,
    )
    peaks = record.frequent_low if negative else record.frequent_tokens
    return replace(
        evidence,
        peaks=tuple((token.text, token.value) for token in peaks),
        late=2 * place[0] >= index.about.n_layers,
    )


def _others(index: Index, seed: str) -> list[Window]:
    drawn = index.draw_texts(SPARE * HELD_OUT, seed)
    return [Window(tokens, (0.0,) * len(tokens)) for tokens in drawn]


def windows_of(record: FeatureRecord, *, negative: bool, first: int) -> list[Window]:
    """The examples of one side, without what lies before position `first` of their windows."""
    examples = [example for group in record.groups for example in group.examples]
    return [
        _window(example, -1.0 if negative else 1.0, first)
        for example in examples
        if (example.peak < 0) == negative
    ]


def _window(example: Example, sign: float, first: int) -> Window:
    skipped = max(0, first - (example.position - example.peak_at))
    activations = tuple(sign * activation for activation in example.activations)
    return Window(example.tokens[skipped:], activations[skipped:])


def unlabelled(index: Index, places: Iterable[Place], sources: frozenset[str]) -> list[Place]:
    """Those that have no label from any of the sources yet, each once, in order."""
    places = list(dict.fromkeys(places))
    labels = index.labels(places)
    return [place for place in places if place not in labels or labels[place].source not in sources]


def each_evidence(
    index: Index,
    places: Iterable[Place],
    sides: Mapping[Place, bool | None] | None = None,
    *,
    tested: bool = True,
) -> Iterator[Evidence]:
    """`evidence_of` each feature, read when needed; `sides` say which are about negative activations."""
    for place in places:
        yield evidence_of(index, place, (sides or {}).get(place), tested=tested)
