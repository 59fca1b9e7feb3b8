"""Further facts in details: read from clew's own fields where they are sound, else worked out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from clew.errors import ClewError
from clew.index.exchange.feature_file import BOTTOM as BOTTOM_NAME
from clew.index.exchange.feature_file import TOP as TOP_NAME
from clew.index.exchange.feature_file import FeatureFile, FileExample, Quantile, is_number
from clew.index.storage.labels import Label, check_label
from clew.index.storage.record import BOTTOM, TOP

TOPS = (TOP_NAME.lower(), "top", "strongest")
BOTTOMS = (BOTTOM_NAME.lower(), "bottom", "most negative")
LARGEST_SAMPLE = 1_000
"""Peak tokens in a sample; shares are fractions of at most so many."""
LONGEST_NAME = 500
"""Characters of a model's name."""


def kinds_of(details: FeatureFile) -> dict[int, Quantile]:
    """Groups of examples by kind: `TOP` (by name, or else the first group), `BOTTOM` and levels.

    Levels count from 1 up, those with negative examples from -2 down.
    """
    kinds: dict[int, Quantile] = {}
    others: list[Quantile] = []
    for quantile in details.quantiles:
        name = quantile.name.lower()
        if name in TOPS and TOP not in kinds:
            kinds[TOP] = quantile
        elif name in BOTTOMS and BOTTOM not in kinds:
            kinds[BOTTOM] = quantile
        else:
            others.append(quantile)
    if TOP not in kinds and others:
        kinds[TOP] = others.pop(0)
    negative = [quantile for quantile in others if _is_negative(quantile)]
    rest = [quantile for quantile in others if not _is_negative(quantile)]
    levels = {-2 - rank: quantile for rank, quantile in enumerate(negative)}
    return kinds | dict(enumerate(rest, start=1)) | levels


def _is_negative(quantile: Quantile) -> bool:
    return any(example.strongest < 0 for example in quantile.examples[:1])


def distribution_of(details: FeatureFile, kinds: dict[int, Quantile]) -> dict[str, Any]:
    """The histogram, its edges, quantiles with known shares, and the names of groups."""
    bars = details.histogram
    edges = _numbers(details.more.get("histogram_edges"))
    if len(edges) != len(bars) + 1 or any(high < low for low, high in pairwise(edges)):
        edges = np.linspace(details.minimum, details.maximum, len(bars) + 1).tolist()
    shares = _numbers(details.more.get("quantile_shares"))
    has_shares = len(shares) == len(details.quantile_values)
    quantiles = zip(shares, details.quantile_values, strict=True) if has_shares else ()
    return {
        "histogram": [int(count) if count.is_integer() else count for count in bars],
        "histogram_edges": edges if bars else [],
        "quantiles": [list(pair) for pair in quantiles],
        "group_names": {str(kind): quantile.name for kind, quantile in kinds.items()},
    }


def strongest_tokens(
    details: FeatureFile, kinds: dict[int, Quantile], side: int = TOP
) -> list[tuple[str, float]]:
    """The peak tokens with the highest activations on one side (`TOP` or `BOTTOM`)."""
    given = _pairs(details.more.get("strongest_tokens" if side == TOP else "strongest_low"))
    if given:
        return given
    strongest: dict[str, float] = {}
    for token, activation in _peaks(kinds, side):
        if abs(activation) > abs(strongest.get(token, 0.0)):
            strongest[token] = activation
    return sorted(strongest.items(), key=lambda pair: -abs(pair[1]))


def frequent_tokens(details: FeatureFile, kinds: dict[int, Quantile], side: int = TOP) -> list[str]:
    """A sample of peak tokens: as the given shares say, or else those of the examples."""
    given = _pairs(details.more.get("frequent_tokens" if side == TOP else "frequent_low"))
    if not given or any(not 0 <= share <= 1 for _, share in given):
        return [token for token, _ in _peaks(kinds, side)]
    shares = np.array([share for _, share in given])
    sizes = np.arange(1, LARGEST_SAMPLE + 1)[:, None]
    off = np.abs(sizes * shares - np.rint(sizes * shares)).max(axis=1)
    size = int(np.argmax(off < 1e-6)) + 1 if (off < 1e-6).any() else LARGEST_SAMPLE
    return [token for token, share in given for _ in range(round(share * size))]


def label_of(details: FeatureFile) -> Label | None:
    """The label in an export of clew; None where there is none, or not a sound one."""
    more = details.more
    text, source = more.get("label"), more.get("label_source")
    author, confidence = more.get("label_author"), more.get("label_confidence")
    if not (isinstance(text, str) and isinstance(source, str) and isinstance(author or "", str)):
        return None
    sure = confidence if isinstance(confidence, float) else None
    try:
        text = check_label(text, source, sure)
    except ClewError:
        return None
    if not _is_text(text + (author or "")):
        return None
    return Label(text, source, author or "", sure, created="") if text else None


def outputs(texts: Sequence[str], logits: Any) -> list[tuple[str, float]]:
    """Output tokens with their logits, or with 0 where the file has none."""
    values = _numbers(logits)
    return list(zip(texts, values if len(values) == len(texts) else [0.0] * len(texts), strict=True))


def mean_of(details: FeatureFile) -> float | None:
    mean = _numbers([details.more.get("activation_mean")])
    return mean[0] if mean else None


def model_of(details: FeatureFile) -> str:
    """The model that an export of clew names, or an empty text."""
    model = details.more.get("model")
    return model if isinstance(model, str) and len(model) <= LONGEST_NAME and _is_text(model) else ""


def positions_of(details: FeatureFile) -> int:
    positions = details.more.get("positions")
    return positions if isinstance(positions, int) and 0 <= positions < 2**53 else 0


def _peaks(kinds: dict[int, Quantile], side: int) -> list[tuple[str, float]]:
    """Token and activation at the peak of each example of `TOP` or `BOTTOM`."""
    examples = kinds[side].examples if side in kinds else ()
    return [(example.tokens[at], example.activations[at]) for example in examples for at in _peak_of(example)]


def _peak_of(example: FileExample) -> list[int]:
    if example.peak is not None or not example.tokens:
        return [] if example.peak is None else [example.peak]
    return [max(range(len(example.tokens)), key=lambda at: abs(example.activations[at]))]


def _numbers(value: Any) -> list[float]:
    """A list of finite numbers; empty where it is anything else."""
    if not isinstance(value, list) or not all(is_number(item) for item in value):
        return []
    return [float(item) for item in value]


def _pairs(value: Any) -> list[tuple[str, float]]:
    """A list of `[token, number]`; empty where it is anything else."""
    if not isinstance(value, list) or len(value) > LARGEST_SAMPLE:
        return []
    pairs = []
    for item in value:
        match item:
            case [str() as token, number] if is_number(number) and _is_text(token):
                pairs.append((token, float(number)))
            case _:
                return []
    return pairs


def _is_text(text: str) -> bool:
    """False for a text with half a character, which JSON can spell but no database can store."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
