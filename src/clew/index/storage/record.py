"""What an index knows of one feature, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clew.index.storage.label import Label

TOP, BOTTOM = 0, -1
"""Kinds of examples; from 1 on they are levels below the strongest, from -2 down above the most negative."""


@dataclass(frozen=True)
class Example:
    """A piece of a window, with what the feature did on each of its tokens."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    """One for each token, to 1/254 of the largest magnitude among them."""
    peak_at: int
    """The place in `tokens` of the strongest one, of the whole window."""
    peak: float
    """The activation there, exactly."""
    window: int
    position: int
    """Of the peak in its window, whose first position is the sink."""


@dataclass(frozen=True)
class ExampleGroup:
    """Examples of one kind, the strongest first."""

    kind: int
    """`TOP` or `BOTTOM`; levels below the strongest from 1 on, those of negative ones from -2 down."""
    name: str
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Histogram:
    """How often an activation lay between one edge (included) and the next."""

    edges: tuple[float, ...]
    """One more than counts; a bin from 0 to 0 holds exact zeros."""
    counts: tuple[int, ...]

    def share_below(self, value: float) -> float | None:
        """The share of activations below a value, taken as even within a bin; None where nothing is known."""
        total = sum(self.counts)
        below = 0.0
        for low, high, count in zip(self.edges, self.edges[1:], self.counts, strict=False):
            inside = 1.0 if value >= high else 0.0 if value <= low else (value - low) / (high - low)
            below += count * inside
        return below / total if total else None


@dataclass(frozen=True)
class TokenValue:
    """A token with a logit, an activation or a share, as the field says that holds it."""

    text: str
    value: float


@dataclass(frozen=True)
class FeatureRecord:
    """One feature over the texts that were read; positions of the sink do not count."""

    layer: int
    feature: int
    label: Label | None
    positions: int
    """At how many positions it was looked at."""
    frequency: float
    """Share of positions at which its activation is not zero."""
    mean: float | None
    """Over all positions."""
    minimum: float | None
    maximum: float | None
    histogram: Histogram
    quantiles: tuple[tuple[float, float], ...]
    """(share, value below which it lies), read from the histogram."""
    groups: tuple[ExampleGroup, ...]
    top_outputs: tuple[TokenValue, ...]
    """Tokens that it writes towards, with the logit that one unit of activation adds, leaving norms out."""
    bottom_outputs: tuple[TokenValue, ...]
    frequent_tokens: tuple[TokenValue, ...]
    """Tokens on which windows peak, as shares of a sample that favours strong peaks."""
    strongest_tokens: tuple[TokenValue, ...]
    """Tokens on which windows peak highest, with that activation."""
    frequent_low: tuple[TokenValue, ...] = ()
    """The same two of the most negative activations."""
    strongest_low: tuple[TokenValue, ...] = ()

    @property
    def never_seen(self) -> bool:
        """Whether it was active nowhere in the texts."""
        return self.frequency == 0

    @property
    def name(self) -> str:
        return f"L{self.layer}/{self.feature}"

    def group(self, kind: int) -> tuple[Example, ...]:
        """The examples of one kind; none where there are none."""
        return next((group.examples for group in self.groups if group.kind == kind), ())

    def __repr__(self) -> str:
        if self.never_seen:
            return f"FeatureRecord({self.name}: never active in {self.positions:,} positions)"
        label = f"{self.label.text!r}, " if self.label else ""
        count = sum(len(group.examples) for group in self.groups)
        active = f"active at {self.frequency:.2%} of {self.positions:,} positions"
        return f"FeatureRecord({self.name}: {label}{active}, {count} examples)"

    def as_json(self) -> dict[str, Any]:
        """The feature details that other tools read, with what clew knows besides."""
        return {
            "index": self.feature,
            "layer": self.layer,
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
            "frequent_tokens": [[token.text, token.value] for token in self.frequent_tokens],
            "strongest_tokens": [[token.text, token.value] for token in self.strongest_tokens],
            "frequent_low": [[token.text, token.value] for token in self.frequent_low],
            "strongest_low": [[token.text, token.value] for token in self.strongest_low],
            "label": None if self.label is None else self.label.text,
            "label_source": None if self.label is None else self.label.source,
            "label_author": None if self.label is None else self.label.author,
            "label_confidence": None if self.label is None else self.label.confidence,
        }


def _groups_as_json(groups: tuple[ExampleGroup, ...]) -> list[dict[str, Any]]:
    """A window that an earlier group holds already is said to be repeated."""
    seen: set[int] = set()
    found = []
    for group in groups:
        found.append(
            {
                "quantile_name": group.name,
                "examples": [
                    {
                        "tokens": list(example.tokens),
                        "tokens_acts_list": _with_exact_peak(example),
                        "train_token_ind": example.peak_at,
                        "is_repeated_datapoint": example.window in seen,
                    }
                    for example in group.examples
                ],
            }
        )
        seen |= {example.window for example in group.examples}
    return found


def _with_exact_peak(example: Example) -> list[float]:
    activations = list(example.activations)
    activations[example.peak_at] = example.peak
    return activations
