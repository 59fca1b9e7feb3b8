"""Interventions as arrays, layer by layer, checked against a model before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TypeGuard

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from clew.errors import ClewError
from clew.intervention.intervention import FORMULAS, Feature, From, Intervention, Positions, spell_positions
from clew.intervention.overflow import LARGEST_NUMBER

NEVER = 2**62
"""A position that no text reaches."""

TERMS: dict[str, Callable[[float], tuple[float, float]]] = {
    "ablate": lambda v: (-1, 0),
    "set": lambda v: (-1, v),
    "add": lambda v: (0, v),
    "scale": lambda v: (v - 1, 0),
}
"""Factor and constant of the change that each way makes: `factor * a + constant`."""


@dataclass(frozen=True)
class LayerEdits:
    """All changes of one layer's features: where one applies it adds `factor * a + constant` to `a`."""

    index: Int[Tensor, " edit"]
    factor: Float[Tensor, " edit"]
    constant: Float[Tensor, " edit"]
    first: Int[Tensor, " edit"]
    """The first position that an edit without an end applies to; past any prompt where it has none."""
    at: Bool[Tensor, "edit position"]
    """Where in the prompt each edit applies."""

    def change(
        self, activation: Float[Tensor, "... position edit"], start: int = 0
    ) -> Float[Tensor, "... position edit"]:
        """What to add to the activations of the edited features, from position `start` on."""
        device = activation.device
        where = self.where(start, activation.shape[-2]).to(device)
        changed = activation * self.factor.to(device) + self.constant.to(device)
        return torch.where(where.T, changed, 0)

    def where(self, start: int, count: int) -> Bool[Tensor, "edit position"]:
        """Which positions from `start` on each edit changes; the prompt's own, then those generated."""
        position = torch.arange(start, start + count)
        inside = position < self.at.shape[1]
        found = position >= self.first[:, None]
        found[:, inside] = self.at[:, position[inside]]
        return found


@dataclass(frozen=True)
class _Edit:
    """One change of one feature."""

    index: int
    factor: float
    constant: float
    first: int
    at: Bool[Tensor, " position"]


def resolve(
    interventions: Sequence[Intervention],
    n_features: Sequence[int],
    n_positions: int,
    generated: int = 0,
) -> dict[int, LayerEdits]:
    """Edits by layer of a prompt of `n_positions`, for a dictionary with so many features in each layer.

    Positions may also be those of so many `generated` tokens behind it. Patches are resolved before. Raises
    `ClewError` for features, positions and values that there are not, and for two changes of one feature at
    one position.
    """
    found: dict[int, dict[int, list[_Edit]]] = {}
    for intervention in interventions:
        factor, constant = _terms(intervention)
        at, first = positions_at(intervention.positions, n_positions, generated)
        if not intervention.members:
            raise ClewError("An intervention names no feature; give at least one.")
        for feature in intervention.members:
            _check_feature(feature, n_features)
            others = found.setdefault(feature.layer, {}).setdefault(feature.index, [])
            edit = _Edit(feature.index, factor, constant, first, at)
            for other in others:
                _check_apart(feature, edit, other)
            others.append(edit)
    return {
        layer: _layer_edits([edit for each in by_index.values() for edit in each])
        for layer, by_index in sorted(found.items())
    }


def _layer_edits(edits: list[_Edit]) -> LayerEdits:
    return LayerEdits(
        index=torch.tensor([edit.index for edit in edits]),
        factor=torch.tensor([edit.factor for edit in edits]),
        constant=torch.tensor([edit.constant for edit in edits]),
        first=torch.tensor([edit.first for edit in edits]),
        at=torch.stack([edit.at for edit in edits]),
    )


def _check_apart(feature: Feature, one: _Edit, other: _Edit) -> None:
    both, later = one.at & other.at, max(one.first, other.first)
    if both.any() or later < NEVER:
        place = int(both.nonzero()[0]) if both.any() else later
        raise ClewError(f"Two interventions change {feature} at position {place}; leave one out.")


def _terms(intervention: Intervention) -> tuple[float, float]:
    how, value = intervention.how, intervention.value
    if how not in TERMS:
        known = ", ".join(FORMULAS)
        raise ClewError(f"A feature cannot be changed by {how!r}; the ways are {known}.")
    if how == "ablate":
        if value is not None:
            raise ClewError(f"To ablate takes no value, but {value} was given; the way to set one is 'set'.")
        return TERMS[how](0.0)
    if not is_number(value):
        given = "without a value" if value is None else f"with {value}"
        raise ClewError(f"A feature cannot be changed by {how!r} {given}; give a finite number.")
    return TERMS[how](float(value))


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number that float32 can hold."""
    if isinstance(value, bool | str):
        return False
    try:
        return abs(float(value)) <= LARGEST_NUMBER  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False


def _check_feature(feature: Feature, n_features: Sequence[int]) -> None:
    if not isinstance(feature, Feature) or not (_is_whole(feature.layer) and _is_whole(feature.index)):
        raise ClewError(f"{feature} is no feature: give Feature(layer, index), both whole numbers.")
    if not 0 <= feature.layer < len(n_features):
        raise ClewError(
            f"There is no layer {feature.layer} ({feature}); the model has layers 0 to {len(n_features) - 1}."
        )
    count = n_features[feature.layer]
    if not 0 <= feature.index < count:
        there = f"has features 0 to {count - 1:,}" if count else "has no features"
        raise ClewError(f"There is no feature {feature}; layer {feature.layer} {there}.")


def positions_at(
    positions: Positions | None, n_positions: int, generated: int = 0
) -> tuple[Bool[Tensor, " position"], int]:
    """Where in the prompt and the generated tokens, and from which position on without end."""
    end = n_positions + generated
    at = torch.zeros(end, dtype=torch.bool)
    if positions is None or (isinstance(positions, str) and positions == "all"):
        return ~at, end
    if isinstance(positions, From):
        # May lie just behind the prompt: the first generated token.
        first = _place(positions.position, n_positions, generated, past_the_end=True)
        at[first:] = True
        return at, max(first, end)
    if isinstance(positions, slice):
        chosen = _of_slice(positions, n_positions, generated)
    elif isinstance(positions, Sequence) and not isinstance(positions, str):
        chosen = [_place(position, n_positions, generated) for position in positions]
        if not chosen:
            raise ClewError("An intervention names no position; give at least one, or 'all'.")
    else:
        chosen = [_place(positions, n_positions, generated)]
    at[chosen] = True
    return at, NEVER


def _of_slice(positions: slice, n_positions: int, generated: int) -> list[int]:
    """Of the prompt, or as far beyond its end as a bound says."""
    start, stop = (
        bound if bound is None else _place(bound, n_positions, generated, past_the_end=True)
        for bound in (positions.start, positions.stop)
    )
    end = max(n_positions, start or 0, stop or 0)
    if positions.step is not None and (not _is_whole(positions.step) or positions.step == 0):
        raise ClewError(f"Positions go in steps of a whole number other than 0, not {positions.step!r}.")
    chosen = list(range(end)[slice(start, stop, positions.step)])
    if not chosen:
        raise ClewError(
            f"{spell_positions(positions)} names no position: it would begin where it has ended already; the "
            f"prompt has positions 0 to {n_positions - 1}."
        )
    return chosen


def _place(position: object, n_positions: int, generated: int, *, past_the_end: bool = False) -> int:
    """A position counted from the front; `ClewError` for what is none."""
    if not _is_whole(position):
        raise ClewError(
            f"{position!r} is no position: give a whole number, a slice, several numbers, From(p) or 'all'."
        )
    if not -n_positions <= position < n_positions + generated + past_the_end:
        behind = f", and {generated} tokens are generated behind them" if generated else ""
        raise ClewError(
            f"There is no position {position}; the prompt has positions 0 to {n_positions - 1}{behind}."
        )
    return int(position) % n_positions if position < 0 else int(position)


def _is_whole(number: object) -> TypeGuard[int]:
    return isinstance(number, Integral) and not isinstance(number, bool)
