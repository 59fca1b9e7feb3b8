"""Evidence for a label: active texts, held-out and other texts to test it, and output tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from clew.errors import ClewError
from clew.feature import Feature
from clew.index.storage.index import Index
from clew.index.storage.record import FeatureRecord
from clew.utf8 import joined_tokens

SHOWN = 8
"""Texts from which a label is made."""
HELD_OUT = 5
"""Active texts that test a label, at most; as many other texts test it too."""
EVERY = 3
"""Every third of the texts, by strength, is held out."""
WEAKEST = 0.2
"""The share of the strongest peak below which a text is left out, since it is hardly active."""
BEFORE, AFTER = 24, 8
"""Tokens of a text around its peak."""
SPARE = 3
"""Texts drawn for each one needed, since some may be alike or active."""


@dataclass(frozen=True)
class ActiveText:
    """A text and the feature's activation on each token; the sign makes the labelled side positive."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]

    @property
    def text(self) -> str:
        return joined_tokens(self.tokens)

    @property
    def peak(self) -> float:
        return max(self.activations, default=0.0)

    @property
    def peak_at(self) -> int:
        """The place of the strongest token; -1 for a text without tokens."""
        return max(range(len(self.tokens)), key=lambda at: self.activations[at], default=-1)

    @property
    def peak_token(self) -> str:
        return self.tokens[self.peak_at] if self.tokens else ""


@dataclass(frozen=True)
class Evidence:
    """One side of a feature: texts on which it is active, and the tokens that it then promotes."""

    feature: Feature
    negative: bool
    """It is about negative activations, which a neuron may have."""
    shown: tuple[ActiveText, ...]
    held_out: tuple[ActiveText, ...]
    others: tuple[ActiveText, ...]
    """Equally many texts on which it is not known to be active."""
    promotes: tuple[str, ...]
    """Output tokens, the strongest first."""
    peaks: tuple[tuple[str, float], ...] = ()
    """Peak tokens with their shares of a sample of all texts; empty where there is no sample."""
    late: bool = True
    """It is in the upper half of the layers, where output tokens say most."""


def evidence_of(
    index: Index, feature: Feature, negative: bool | None = None, *, tested: bool = True
) -> Evidence:
    """The evidence for one side of a feature; None for the side on which it is stronger.

    A feature that was never active, or is not in a partial index, has no texts. Texts to test a label on are
    drawn only if `tested`. Raises `ClewError` for a feature that the dictionary does not have.
    """
    record = index.feature(feature)
    if record is None and feature not in index:
        raise ClewError(f"{index.path} has no feature {feature}.")
    if record is None:
        return sort_texts(feature, (), None, negative=bool(negative))
    if negative is None:
        negative = -(record.minimum or 0) > (record.maximum or 0)
    first = 0 if index.metadata.sink is None else 1
    promoted = record.bottom_outputs if negative else record.top_outputs
    evidence = sort_texts(
        feature,
        active_texts(record, negative=negative, first=first),
        _other_texts(index, seed=str(feature)) if tested else None,
        [token.text for token in promoted],
        negative=negative,
    )
    peaks = record.frequent_low if negative else record.frequent_tokens
    return replace(
        evidence,
        peaks=tuple((token.text, token.value) for token in peaks),
        late=2 * feature.layer >= index.metadata.n_layers,
    )


def each_evidence(
    index: Index,
    features: Iterable[Feature],
    sides: Mapping[Feature, bool | None] | None = None,
    *,
    tested: bool = True,
) -> Iterator[Evidence]:
    """The evidence for each feature, read when needed; `sides` is True for negative activations."""
    for feature in features:
        yield evidence_of(index, feature, (sides or {}).get(feature), tested=tested)


def unlabelled(index: Index, features: Iterable[Feature], sources: frozenset[str]) -> list[Feature]:
    """The features that have no label from any of the sources, each once, in order."""
    features = list(dict.fromkeys(features))
    labels = index.labels(features)
    return [each for each in features if each not in labels or labels[each].source not in sources]


def active_texts(record: FeatureRecord, *, negative: bool, first: int) -> list[ActiveText]:
    """The examples of one side, without what lies before position `first` of their windows."""
    texts, sign = [], -1.0 if negative else 1.0
    for example in (example for group in record.groups for example in group.examples):
        if (example.peak < 0) == negative:
            skipped = max(0, first - (example.position - example.peak_at))
            activations = tuple(sign * activation for activation in example.activations[skipped:])
            texts.append(ActiveText(example.tokens[skipped:], activations))
    return texts


def _other_texts(index: Index, seed: str) -> list[ActiveText]:
    texts = index.draw_texts(SPARE * HELD_OUT, seed)
    return [ActiveText(tokens, (0.0,) * len(tokens)) for tokens in texts]


def sort_texts(
    feature: Feature,
    texts: Iterable[ActiveText],
    others: Sequence[ActiveText] | None,
    promotes: Iterable[str] = (),
    *,
    negative: bool = False,
) -> Evidence:
    """Texts sorted into shown and held-out ones, the same way every time; no text is in both.

    With fewer than `EVERY` different texts none is held out. `others` is None where nothing will be tested.
    """
    active = _distinct(sorted(texts, key=lambda text: -text.peak))
    strong = [text for text in active if text.peak > 0 and text.peak >= WEAKEST * active[0].peak]
    held_out = [clipped(text, text.peak_at) for text in strong[EVERY - 1 :: EVERY]][:HELD_OUT]
    shown = [clipped(text, text.peak_at) for at, text in enumerate(strong) if at % EVERY != EVERY - 1]
    chosen: list[ActiveText] = []
    if others is not None:
        active_ones = {text.text for text in active}
        inactive = [text for text in others if text.tokens and text.text not in active_ones]
        lengths = [len(text.tokens) for text in held_out]
        chosen = _drawn(inactive, lengths, Random(f"{feature.layer}/{feature.index}"))
        held_out = held_out[: len(chosen)]
    return Evidence(
        feature,
        negative,
        shown=tuple(shown[:SHOWN]),
        held_out=tuple(held_out),
        others=tuple(chosen),
        promotes=tuple(promotes),
    )


def _drawn(texts: Sequence[ActiveText], lengths: Sequence[int], random: Random) -> list[ActiveText]:
    """A piece of so many tokens each, from different texts, as far as there are enough."""
    chosen = random.sample(texts, min(len(lengths), len(texts)))
    return [
        clipped(text, random.randrange(len(text.tokens)), length)
        for text, length in zip(chosen, lengths, strict=False)
    ]


def clipped(text: ActiveText, at: int, length: int = BEFORE + 1 + AFTER) -> ActiveText:
    """The given number of tokens around one of them; near an end, more from the other side."""
    first = max(0, min(at - BEFORE, len(text.tokens) - length))
    return ActiveText(text.tokens[first : first + length], text.activations[first : first + length])


def _distinct(texts: Iterable[ActiveText]) -> list[ActiveText]:
    """Each text once, whatever its spaces and capitals, since a copy of a shown text would test nothing."""
    distinct: dict[str, ActiveText] = {}
    for text in texts:
        distinct.setdefault(" ".join(text.text.lower().split()), text)
    return list(distinct.values())
