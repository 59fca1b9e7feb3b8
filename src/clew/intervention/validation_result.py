"""Results of a validation, and the agreement of predictions and measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

FEWEST = 3
"""Points below which a correlation says nothing."""


@dataclass(frozen=True)
class NodeCheck:
    """One feature set to zero at one position: the graph's predictions and the measured effects.

    Effects are changes of centred logits, by default those of the target that weighs most.
    """

    name: str
    layer: int
    position: int
    index: int
    is_top: bool
    """True for one of the most influential features, False for one drawn at random."""
    activation: float
    influence: float
    predicted_direct: float
    """The effect by its own edge to the target."""
    measured_direct: float
    """The effect in the direct regime, which must be the same."""
    gap: float
    """The worst gap between an edge of it and the direct measurement, relative to its largest edge."""
    predicted: float
    """The effect over all paths of the graph."""
    measured: float
    """The effect in the real model."""
    predicted_size: float
    measured_size: float
    """Absolute values of the two, averaged over all targets by their weight."""
    kl: float
    """KL divergence (nats) of the next token's distribution in the real model."""


@dataclass(frozen=True)
class Correlation:
    """Rank and linear correlation; None for fewer than three points or a constant series."""

    spearman: float | None
    pearson: float | None


@dataclass(frozen=True)
class Agreement:
    """Correlations of predictions and measurements over some of the tested features."""

    name: str
    count: int
    influence_and_kl: Correlation
    influence_and_size: Correlation
    """Influence and the size of the measured effect, over all targets."""
    prediction_and_effect: Correlation
    """The predicted and the measured effect on the main target, with their signs."""
    prediction_and_size: Correlation
    """The sizes of the predicted and the measured effect, over all targets."""


@dataclass(frozen=True)
class Validation:
    """Predictions and measurements for every tested feature of a graph."""

    target: str
    """The main target: the one that weighs most."""
    nodes: tuple[NodeCheck, ...]
    """The most influential features, then those drawn at random."""
    n_features: int
    """Number of features in the graph."""

    @property
    def gap(self) -> float:
        """The worst gap between an edge and the direct measurement."""
        return max((node.gap for node in self.nodes), default=0.0)

    @property
    def top(self) -> tuple[NodeCheck, ...]:
        """The most influential features."""
        return tuple(node for node in self.nodes if node.is_top)

    @property
    def random(self) -> tuple[NodeCheck, ...]:
        """The features drawn at random."""
        return tuple(node for node in self.nodes if not node.is_top)

    @property
    def everything(self) -> Agreement:
        """The agreement over all tested features."""
        return agreement("all", self.nodes)

    @property
    def groups(self) -> tuple[Agreement, ...]:
        """The agreement over all features, over the most influential, and over those drawn at random."""
        return (self.everything, agreement("top", self.top), agreement("random", self.random))

    @property
    def layers(self) -> tuple[Agreement, ...]:
        """The agreement over each layer that has tested features."""
        numbers = sorted({node.layer for node in self.nodes})
        return tuple(
            agreement(f"layer {number}", [node for node in self.nodes if node.layer == number])
            for number in numbers
        )

    def disappointments(self, count: int = 5) -> list[NodeCheck]:
        """The `count` features whose effect was furthest below the prediction, the furthest first."""
        short = [node for node in self.nodes if node.measured_size < node.predicted_size]
        return sorted(short, key=lambda node: node.measured_size - node.predicted_size)[:count]

    def surprises(self, count: int = 5) -> list[NodeCheck]:
        """The `count` features whose effect was furthest above the prediction, the furthest first."""
        beyond = [node for node in self.nodes if node.measured_size > node.predicted_size]
        return sorted(beyond, key=lambda node: node.predicted_size - node.measured_size)[:count]

    def __repr__(self) -> str:
        correlation = self.everything.influence_and_kl.spearman
        spearman = "none" if correlation is None else f"{correlation:.2f}"
        return (
            f"Validation({len(self.top)} top and {len(self.random)} random features, direct gap "
            f"{self.gap:.0e}, Spearman of influence and KL {spearman})"
        )


def agreement(name: str, nodes: Sequence[NodeCheck]) -> Agreement:
    """The correlations over some nodes."""

    def series(field: str) -> np.ndarray:
        return np.array([getattr(node, field) for node in nodes], dtype=np.float64)

    def correlation(one: str, other: str) -> Correlation:
        x, y = series(one), series(other)
        return Correlation(spearman(x, y), pearson(x, y))

    return Agreement(
        name=name,
        count=len(nodes),
        influence_and_kl=correlation("influence", "kl"),
        influence_and_size=correlation("influence", "measured_size"),
        prediction_and_effect=correlation("predicted", "measured"),
        prediction_and_size=correlation("predicted_size", "measured_size"),
    )


def pearson(x: np.ndarray, y: np.ndarray) -> float | None:
    """Correlation of the values; None for fewer than `FEWEST` points or a constant series."""
    if len(x) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    # Scaled first, so that squares of tiny numbers do not vanish.
    x, y = (_unit(np.asarray(values, dtype=np.float64)) for values in (x, y))
    return float(np.clip(x @ y, -1, 1))


def spearman(x: np.ndarray, y: np.ndarray) -> float | None:
    """Correlation of the ranks, equal values sharing theirs; None as for `pearson`."""
    return pearson(ranks(x), ranks(y))


def ranks(values: np.ndarray) -> Float64[np.ndarray, " value"]:
    """Ranks from 1, smallest first; equal values get the mean of their ranks."""
    _, distinct, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[distinct]


def _unit(values: Float64[np.ndarray, " value"]) -> Float64[np.ndarray, " value"]:
    centred = values / np.abs(values).max()
    centred = centred - centred.mean()
    return centred / np.linalg.norm(centred)
