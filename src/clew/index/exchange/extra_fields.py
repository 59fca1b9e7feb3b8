"""What details tell besides: in clew's own fields where they are sound, or else made of the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from clew.errors import ClewError
from clew.index.exchange.feature_file import BOTTOM as BOTTOM_NAME
from clew.index.exchange.feature_file import TOP as TOP_NAME
from clew.index.exchange.feature_file import Example, FeatureDetails, Quantile
from clew.index.storage.label import Label, check_label
from clew.index.storage.record import BOTTOM, TOP

TOPS = (TOP_NAME.lower(), "top", "strongest")
BOTTOMS = (BOTTOM_NAME.lower(), "bottom", "most negative")
LARGEST_SAMPLE = 1_000
"""Of tokens on which texts peak: shares are fractions of at most so many."""
LONGEST_NAME = 500
"""Characters of a model's name."""


def kinds_of(details: FeatureDetails) -> dict[int, Quantile]:
    """Groups of examples by kind: the strongest (by name, or else the first), the most negative, levels.

    Levels count from 1 on, those whose examples are negative from -2 down.
    """
    found: dict[int, Quantile] = {}
    others: list[Quantile] = []
    for quantile in details.quantiles:
        name = quantile.name.lower()
        if name in TOPS and TOP not in found:
            found[TOP] = quantile
        elif name in BOTTOMS and BOTTOM not in found:
            found[BOTTOM] = quantile
        else:
            others.append(quantile)
    if TOP not in found and others:
        found[TOP] = others.pop(0)
    negative = [quantile for quantile in others if _is_negative(quantile)]
    rest = [quantile for quantile in others if not _is_negative(quantile)]
    levels = {-2 - rank: quantile for rank, quantile in enumerate(negative)}
    return found | dict(enumerate(rest, start=1)) | levels


def _is_negative(quantile: Quantile) -> bool:
    return any(example.strongest < 0 for example in quantile.examples[:1])


def told_distribution(details: FeatureDetails, kinds: dict[int, Quantile]) -> dict[str, Any]:
    """Histogram, its edges, quantiles whose shares are known, and the names of groups, for an index."""
    bars = details.histogram
    edges = _numbers(details.more.get("histogram_edges"))
    if len(edges) != len(bars) + 1 or any(high < low for low, high in pairwise(edges)):
        edges = np.linspace(details.minimum, details.maximum, len(bars) + 1).tolist()
    shares = _numbers(details.more.get("quantile_shares"))
    known = len(shares) == len(details.quantile_values)
    return {
        "histogram": [int(count) if count.is_integer() else count for count in bars],
        "histogram_edges": edges if bars else [],
        "quantiles": [list(both) for both in zip(shares, details.quantile_values, strict=True)]
        if known
        else [],
        "group_names": {str(kind): quantile.name for kind, quantile in kinds.items()},
    }


def strongest_tokens(
    details: FeatureDetails, kinds: dict[int, Quantile], side: int = TOP
) -> list[tuple[str, float]]:
    """Tokens on which texts peak highest on one side (`TOP` or `BOTTOM`), with that activation."""
    told = _pairs(details.more.get("strongest_tokens" if side == TOP else "strongest_low"))
    if told:
        return told
    found: dict[str, float] = {}
    for token, activation in _peaks(kinds, side):
        if abs(activation) > abs(found.get(token, 0.0)):
            found[token] = activation
    return sorted(found.items(), key=lambda pair: -abs(pair[1]))


def frequent_tokens(details: FeatureDetails, kinds: dict[int, Quantile], side: int = TOP) -> list[str]:
    """A sample of tokens on which texts peak: from the shares that are told, or else of the examples."""
    told = _pairs(details.more.get("frequent_tokens" if side == TOP else "frequent_low"))
    if not told or any(not 0 <= share <= 1 for _, share in told):
        return [token for token, _ in _peaks(kinds, side)]
    shares = np.array([share for _, share in told])
    sizes = np.arange(1, LARGEST_SAMPLE + 1)[:, None]
    off = np.abs(sizes * shares - np.rint(sizes * shares)).max(axis=1)
    size = int(np.argmax(off < 1e-6)) + 1 if (off < 1e-6).any() else LARGEST_SAMPLE
    return [token for token, share in told for _ in range(round(share * size))]


def label_of(details: FeatureDetails) -> Label | None:
    """The label that an export of clew holds, where it is a sound one."""
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


def outputs(texts: Sequence[str], told: Any) -> list[tuple[str, float]]:
    """Output tokens with their logits; with 0 where the file does not tell them."""
    values = _numbers(told)
    return list(zip(texts, values if len(values) == len(texts) else [0.0] * len(texts), strict=True))


def mean_of(details: FeatureDetails) -> float | None:
    mean = _numbers([details.more.get("activation_mean")])
    return mean[0] if mean else None


def model_of(details: FeatureDetails) -> str:
    """The model that an export of clew names; empty where it names none."""
    told = details.more.get("model")
    return told if isinstance(told, str) and len(told) <= LONGEST_NAME and _is_text(told) else ""


def positions_of(details: FeatureDetails) -> int:
    told = details.more.get("positions")
    return told if isinstance(told, int) and 0 <= told < 2**53 else 0


def _peaks(kinds: dict[int, Quantile], side: int) -> list[tuple[str, float]]:
    """Token and activation at the peak of each of the strongest, or the most negative examples."""
    examples = kinds[side].examples if side in kinds else ()
    return [(example.tokens[at], example.activations[at]) for example in examples for at in _peak_of(example)]


def _peak_of(example: Example) -> list[int]:
    if example.peak is not None or not example.tokens:
        return [] if example.peak is None else [example.peak]
    return [max(range(len(example.tokens)), key=lambda at: abs(example.activations[at]))]


def _numbers(value: Any) -> list[float]:
    """A list of finite numbers; empty where it is anything else."""
    if not isinstance(value, list) or not all(_is_number(item) for item in value):
        return []
    return [float(item) for item in value]


def _pairs(value: Any) -> list[tuple[str, float]]:
    """A list of `[token, number]`; empty where it is anything else."""
    if not isinstance(value, list) or len(value) > LARGEST_SAMPLE:
        return []
    found = []
    for item in value:
        match item:
            case [str() as token, number] if _is_number(number) and _is_text(token):
                found.append((token, float(number)))
            case _:
                return []
    return found


def _is_text(text: str) -> bool:
    """JSON can spell half a character, which no database can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
