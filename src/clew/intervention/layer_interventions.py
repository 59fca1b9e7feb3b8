"""Interventions as tensors, layer by layer, checked against a model before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from numbers import Integral
from typing import Protocol, TypeGuard

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from clew.errors import ClewError
from clew.feature import Feature
from clew.intervention.intervention import HOW, From, Intervention, Positions, spell_positions

LARGEST_NUMBER = torch.finfo(torch.float32).max
NEVER = 2**62
"""A position that no text reaches."""

TERMS: dict[str, Callable[[float], tuple[float, float]]] = {
    "ablate": lambda v: (-1, 0),
    "set": lambda v: (-1, v),
    "add": lambda v: (0, v),
    "scale": lambda v: (v - 1, 0),
}
"""Factor and constant of each change of an activation `a`: `factor * a + constant`."""


class LayerIntervention(Protocol):
    """Changes of one layer's features."""

    @property
    def index(self) -> Int[Tensor, " feature"]: ...

    def change(
        self, activation: Float[Tensor, "column position feature"], start: int = 0
    ) -> Float[Tensor, "column position feature"]:
        """The change of these features' activations, from position `start` on."""
        ...

    def where(self, start: int, count: int) -> Bool[Tensor, "feature position"]:
        """True at positions (`count` of them from `start` on) where a feature changes in any column."""
        ...


@dataclass(frozen=True)
class AffineIntervention:
    """Changes `factor * a + constant` of one layer's activations `a`."""

    index: Int[Tensor, " feature"]
    factor: Float[Tensor, " feature"]
    constant: Float[Tensor, " feature"]
    first: Int[Tensor, " feature"]
    """The first position of a change without an end; `NEVER` for others."""
    at: Bool[Tensor, "feature position"]
    """The positions of the prompt, and of generated tokens that are named."""

    def change(
        self, activation: Float[Tensor, "... position feature"], start: int = 0
    ) -> Float[Tensor, "... position feature"]:
        """The change of these features' activations, from position `start` on."""
        device = activation.device
        where = self.where(start, activation.shape[-2]).to(device)
        changed = activation * self.factor.to(device) + self.constant.to(device)
        return torch.where(where.T, changed, 0)

    def where(self, start: int, count: int) -> Bool[Tensor, "feature position"]:
        """True where a feature changes, for `count` positions from `start` on."""
        position = torch.arange(start, start + count)
        inside = position < self.at.shape[1]
        changed = position >= self.first[:, None]
        changed[:, inside] = self.at[:, position[inside]]
        return changed


def changed_features(
    intervention: LayerIntervention, n_positions: int, n_features: int
) -> Bool[Tensor, "position feature"]:
    """True for the features of a layer that change, at each position of a prompt."""
    changed = torch.zeros(n_positions, n_features, dtype=torch.bool)
    index, position = torch.nonzero(intervention.where(0, n_positions), as_tuple=True)
    changed[position, intervention.index.cpu()[index]] = True
    return changed


@dataclass(frozen=True)
class _FeatureIntervention:
    """One change of one feature."""

    index: int
    factor: float
    constant: float
    first: int
    at: Bool[Tensor, " position"]


def resolve_interventions(
    interventions: Sequence[Intervention],
    n_features: Sequence[int],
    n_positions: int,
    generated: int = 0,
) -> dict[int, AffineIntervention]:
    """Interventions on a prompt by layer, for a dictionary with `n_features` in each layer.

    Positions may also be those of `generated` tokens behind the prompt. Patches are resolved before. Raises
    `ClewError` for features, positions and values that do not exist, and for two changes of one feature at
    one position.
    """
    by_layer: dict[int, dict[int, list[_FeatureIntervention]]] = {}
    for intervention in interventions:
        factor, constant = _terms(intervention)
        at, first = positions_at(intervention.positions, n_positions, generated)
        if not intervention.members:
            raise ClewError("An intervention has no feature; give at least one.")
        for feature in intervention.members:
            _check_feature(feature, n_features)
            others = by_layer.setdefault(feature.layer, {}).setdefault(feature.index, [])
            change = _FeatureIntervention(feature.index, factor, constant, first, at)
            for other in others:
                _check_apart(feature, change, other)
            others.append(change)
    return {
        layer: _affine(chain.from_iterable(by_index.values())) for layer, by_index in sorted(by_layer.items())
    }


def _affine(changes: Iterable[_FeatureIntervention]) -> AffineIntervention:
    *columns, at = zip(*(vars(change).values() for change in changes), strict=True)
    index, factor, constant, first = map(torch.tensor, columns)
    return AffineIntervention(index, factor, constant, first, torch.stack(at))


def _check_apart(feature: Feature, one: _FeatureIntervention, other: _FeatureIntervention) -> None:
    both, later = one.at & other.at, max(one.first, other.first)
    if both.any() or later < NEVER:
        position = int(both.nonzero()[0]) if both.any() else later
        raise ClewError(f"Two interventions change {feature} at position {position}; leave one out.")


def _terms(intervention: Intervention) -> tuple[float, float]:
    how, value = intervention.how, intervention.value
    if how not in TERMS:
        raise ClewError(f"A feature cannot be changed by {how!r}; choose one of {', '.join(HOW)}.")
    if how == "ablate":
        if value is not None:
            raise ClewError(f"'ablate' takes no value, but {value} was given; use 'set' to set one.")
        return TERMS[how](0.0)
    if not is_number(value):
        given = "without a value" if value is None else f"with {value}"
        raise ClewError(f"A feature cannot be changed by {how!r} {given}; give a finite number.")
    return TERMS[how](float(value))


def is_number(value: object) -> TypeGuard[float]:
    """True for a number that float32 can hold."""
    if isinstance(value, bool | str):
        return False
    try:
        return abs(float(value)) <= LARGEST_NUMBER  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False


def _check_feature(feature: Feature, n_features: Sequence[int]) -> None:
    if not isinstance(feature, Feature) or not (is_whole(feature.layer) and is_whole(feature.index)):
        raise ClewError(f"{feature!r} is not a feature; give Feature(layer, index), both whole numbers.")
    if not 0 <= feature.layer < len(n_features):
        raise ClewError(
            f"There is no layer {feature.layer} ({feature}); the model has layers 0 to {len(n_features) - 1}."
        )
    count = n_features[feature.layer]
    if not 0 <= feature.index < count:
        there = f"it has features 0 to {count - 1:,}" if count else "it has no features"
        raise ClewError(f"Layer {feature.layer} has no feature {feature.index}; {there}.")


def positions_at(
    positions: Positions | None, n_positions: int, generated: int = 0
) -> tuple[Bool[Tensor, " position"], int]:
    """The positions of prompt and generated tokens that are meant, and the first one without an end."""
    end = n_positions + generated
    at = torch.zeros(end, dtype=torch.bool)
    if positions is None or (isinstance(positions, str) and positions == "all"):
        return ~at, end
    if isinstance(positions, From):
        # May lie just behind the prompt: the first generated token.
        first = _position(positions.position, n_positions, generated, past_the_end=True)
        at[first:] = True
        return at, max(first, end)
    if isinstance(positions, slice):
        chosen = _sliced(positions, n_positions, generated)
    elif isinstance(positions, Sequence) and not isinstance(positions, str):
        chosen = [_position(position, n_positions, generated) for position in positions]
        if not chosen:
            raise ClewError("An intervention has no position; give at least one, or 'all'.")
    else:
        chosen = [_position(positions, n_positions, generated)]
    at[chosen] = True
    return at, NEVER


def _sliced(positions: slice, n_positions: int, generated: int) -> list[int]:
    """Positions of the prompt, or as far beyond its end as a bound says."""
    start, stop = (
        bound if bound is None else _position(bound, n_positions, generated, past_the_end=True)
        for bound in (positions.start, positions.stop)
    )
    end = max(n_positions, start or 0, stop or 0)
    if positions.step is not None and (not is_whole(positions.step) or positions.step == 0):
        raise ClewError(f"The step of positions is a whole number other than 0, not {positions.step!r}.")
    chosen = list(range(end)[slice(start, stop, positions.step)])
    if not chosen:
        raise ClewError(
            f"{spell_positions(positions)} holds no position: its end is not after its start; the prompt has "
            f"positions 0 to {n_positions - 1}."
        )
    return chosen


def _position(position: object, n_positions: int, generated: int, *, past_the_end: bool = False) -> int:
    """A position counted from the front; `ClewError` where it does not exist."""
    if not is_whole(position):
        raise ClewError(
            f"{position!r} is not a position; give a whole number, a slice, several numbers, From(p) or "
            "'all'."
        )
    if not -n_positions <= position < n_positions + generated + past_the_end:
        behind = f", and {generated} tokens are generated behind them" if generated else ""
        raise ClewError(
            f"There is no position {position}; the prompt has positions 0 to {n_positions - 1}{behind}."
        )
    return int(position) % n_positions if position < 0 else int(position)


def is_whole(number: object) -> TypeGuard[int]:
    """True for whole numbers of any kind, bool excepted."""
    return isinstance(number, Integral) and not isinstance(number, bool)
