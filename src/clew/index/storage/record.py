"""The record of one feature: everything that an index knows about it, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clew.feature import Feature
from clew.index.storage.labels import Label

PEAK_TOKENS = ("frequent_tokens", "strongest_tokens", "frequent_low", "strongest_low")
"""Fields of a record that hold tokens at peaks."""
TOP, BOTTOM = 0, -1
"""Kinds of examples. Kinds from 1 on are levels below the strongest, from -2 down above the most negative."""


@dataclass(frozen=True)
class Example:
    """A piece of a window, with the feature's activation on each token."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    """One for each token, rounded to 1/127 of the largest magnitude among them."""
    peak_at: int
    """The place in `tokens` of the strongest token of the whole window."""
    peak: float
    """The exact activation there."""
    window: int
    position: int
    """The position of the peak in its window; position 0 is the sink."""


@dataclass(frozen=True)
class ExampleGroup:
    """Examples of one kind, the strongest first."""

    kind: int
    """`TOP`, `BOTTOM` or a level."""
    name: str
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Histogram:
    """Counts of activations between one edge (included) and the next."""

    edges: tuple[float, ...]
    """One more than counts; a bin from 0 to 0 holds exact zeros."""
    counts: tuple[float, ...]
    """Whole numbers, save for histograms of other tools."""

    def share_below(self, value: float) -> float | None:
        """The share of activations below a value, taken as even within a bin; None for an empty histogram."""
        total = sum(self.counts)
        below = 0.0
        for low, high, count in zip(self.edges, self.edges[1:], self.counts, strict=False):
            inside = 1.0 if value >= high else 0.0 if value <= low else (value - low) / (high - low)
            below += count * inside
        return below / total if total else None


@dataclass(frozen=True)
class TokenValue:
    """A token and a number."""

    text: str
    """The token."""
    value: float
    """A logit, a share or an activation."""


@dataclass(frozen=True)
class FeatureRecord:
    """One feature over all texts that were read; the sink does not count."""

    feature: Feature
    label: Label | None
    positions: int
    """Positions at which it was counted."""
    frequency: float
    """Share of positions at which its activation is not zero."""
    mean: float | None
    """Over all positions."""
    minimum: float | None
    maximum: float | None
    histogram: Histogram
    quantiles: tuple[tuple[float, float], ...]
    """(share, value below which that share of activations lies), read from the histogram."""
    groups: tuple[ExampleGroup, ...]
    top_outputs: tuple[TokenValue, ...]
    """Tokens that it promotes, with the logit that one unit of activation adds, without the norms."""
    bottom_outputs: tuple[TokenValue, ...]
    frequent_tokens: tuple[TokenValue, ...]
    """Peak tokens with their shares of a sample of windows that favours strong peaks."""
    strongest_tokens: tuple[TokenValue, ...]
    """Peak tokens with the highest activations."""
    frequent_low: tuple[TokenValue, ...] = ()
    """The same as `frequent_tokens`, for the most negative activations."""
    strongest_low: tuple[TokenValue, ...] = ()
    """The same as `strongest_tokens`, for the most negative activations."""

    @property
    def never_seen(self) -> bool:
        """True where it was active nowhere in the texts."""
        return self.frequency == 0

    def group(self, kind: int) -> tuple[Example, ...]:
        """The examples of one kind."""
        return next((group.examples for group in self.groups if group.kind == kind), ())

    def __repr__(self) -> str:
        if self.never_seen:
            return f"FeatureRecord({self.feature}: never active in {self.positions:,} positions)"
        label = f"{self.label.text!r}, " if self.label else ""
        count = sum(len(group.examples) for group in self.groups)
        active = f"active at {self.frequency:.2%} of {self.positions:,} positions"
        return f"FeatureRecord({self.feature}: {label}{active}, {count} examples)"

    def as_json(self) -> dict[str, Any]:
        """The feature details that other tools read, and further fields of clew."""
        return {
            "index": self.feature.index,
            "layer": self.feature.layer,
            "examples_quantiles": _groups_as_json(self.groups),
            "top_logits": [token.text for token in self.top_outputs],
            "bottom_logits": [token.text for token in self.bottom_outputs],
            "top_logit_values": [token.value for token in self.top_outputs],
            "bottom_logit_values": [token.value for token in self.bottom_outputs],
            "act_min": self.minimum,
            "act_max": self.maximum,
            "histogram": list(self.histogram.counts),
            "histogram_edges": list(self.histogram.edges),
            "quantile_values": [value for _, value in self.quantiles],
            "quantile_shares": [share for share, _ in self.quantiles],
            "activation_frequency": self.frequency,
            "activation_mean": self.mean,
            "positions": self.positions,
            "never_seen": self.never_seen,
            **{name: [[token.text, token.value] for token in getattr(self, name)] for name in PEAK_TOKENS},
            "label": self.label and self.label.text,
            "label_source": self.label and self.label.source,
            "label_author": self.label and self.label.author,
            "label_confidence": self.label and self.label.confidence,
        }


def _groups_as_json(groups: tuple[ExampleGroup, ...]) -> list[dict[str, Any]]:
    """Groups in the published spelling; a window that an earlier group has is marked as repeated."""
    earlier: set[int] = set()
    quantiles = []
    for group in groups:
        examples = [
            {
                "tokens": list(example.tokens),
                "tokens_acts_list": _with_exact_peak(example),
                "train_token_ind": example.peak_at,
                "is_repeated_datapoint": example.window in earlier,
            }
            for example in group.examples
        ]
        quantiles.append({"quantile_name": group.name, "examples": examples})
        earlier |= {example.window for example in group.examples}
    return quantiles


def _with_exact_peak(example: Example) -> list[float]:
    activations = list(example.activations)
    activations[example.peak_at] = example.peak
    return activations
