"""What a user changes: features, where, and how; checked against a model before anything runs.

`FORMULAS` says what each way of changing an activation `a` to another means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from clew.errors import ClewError

FORMULAS = {
    "ablate": "a -> 0",
    "set": "a -> v",
    "add": "a -> a + v",
    "scale": "a -> v a",
}


@dataclass(frozen=True)
class Feature:
    """A feature of a dictionary, at any position."""

    layer: int
    index: int

    def __str__(self) -> str:
        return f"L{self.layer}/{self.index}"


@dataclass(frozen=True)
class From:
    """This position and all after it, generated tokens included."""

    position: int


Positions: TypeAlias = "int | slice | From | str | Sequence[int]"
"""One position, a slice or several of the prompt's, `From(p)`, or `"all"` of them with what is generated."""


@dataclass(frozen=True)
class Intervention:
    """A change of one feature, or of several together (a supernode).

    `value` is v in `FORMULAS`: one number for all, or one per feature and position.
    """

    features: Feature | Sequence[Feature]
    positions: Positions = "all"
    how: str = "ablate"
    value: float = 0.0

    @property
    def members(self) -> tuple[Feature, ...]:
        """Its features, whether one or several were given."""
        given = [self.features] if isinstance(self.features, Feature) else self.features
        return tuple(given)


@dataclass(frozen=True)
class LayerEdits:
    """All changes of one layer's features."""

    index: Int[Tensor, " edit"]
    how: tuple[str, ...]
    value: Float[Tensor, " edit"]
    first: Int[Tensor, " edit"]
    """The first position that an edit without an end applies to; past any prompt where it has none."""
    at: Bool[Tensor, "edit position"]
    """Where in the prompt each edit applies."""

    def change(
        self, activation: Float[Tensor, "... position edit"], start: int = 0
    ) -> Float[Tensor, "... position edit"]:
        """What to add to the activations of the edited features, from position `start` on."""
        where = self.where(start, activation.shape[-2]).to(activation.device)
        value = self.value.to(activation.device)
        changed = torch.stack(
            [
                {
                    "ablate": lambda a, v: -a,
                    "set": lambda a, v: v - a,
                    "add": lambda a, v: v.expand_as(a),
                    "scale": lambda a, v: (v - 1) * a,
                }[how](activation[..., number], value[number])
                for number, how in enumerate(self.how)
            ],
            dim=-1,
        )
        return torch.where(where.T, changed, 0)

    def where(self, start: int, count: int) -> Bool[Tensor, "edit position"]:
        """Which positions from `start` on each edit changes; the prompt's own, then those generated."""
        position = torch.arange(start, start + count)
        inside = position < self.at.shape[1]
        found = position >= self.first[:, None]
        found[:, inside] = self.at[:, position[inside]]
        return found


NEVER = 2**62
"""A position that no text reaches."""


def resolve(
    interventions: Sequence[Intervention], n_features: Sequence[int], n_positions: int
) -> dict[int, LayerEdits]:
    """Edits by layer of a prompt of `n_positions`, for a dictionary with so many features in each layer.

    Raises `ClewError` for features, positions and values that there are not, and for two changes of one
    feature at one position.
    """
    rows: dict[int, list[tuple[int, str, float, int, Tensor]]] = {}
    for intervention in interventions:
        _check_how(intervention)
        at, first = _at(intervention.positions, n_positions)
        if not intervention.members:
            raise ClewError("An intervention names no feature; give at least one.")
        for feature in intervention.members:
            _check_feature(feature, n_features)
            rows.setdefault(feature.layer, []).append(
                (feature.index, intervention.how, float(intervention.value), first, at)
            )
    return {layer: _layer_edits(layer, edits) for layer, edits in sorted(rows.items())}


def _layer_edits(layer: int, edits: list[tuple[int, str, float, int, Tensor]]) -> LayerEdits:
    for number, (index, _, _, first, at) in enumerate(edits):
        for other, _, _, other_first, other_at in edits[:number]:
            both = at & other_at
            if index == other and (both.any() or max(first, other_first) < NEVER):
                place = int(both.nonzero()[0]) if both.any() else max(first, other_first)
                raise ClewError(
                    f"Two interventions change {Feature(layer, index)} at position {place}; leave one out."
                )
    return LayerEdits(
        index=torch.tensor([edit[0] for edit in edits]),
        how=tuple(edit[1] for edit in edits),
        value=torch.tensor([edit[2] for edit in edits]),
        first=torch.tensor([edit[3] for edit in edits]),
        at=torch.stack([edit[4] for edit in edits]),
    )


def _check_how(intervention: Intervention) -> None:
    if intervention.how not in FORMULAS:
        known = ", ".join(FORMULAS)
        raise ClewError(f"A feature cannot be changed by {intervention.how!r}; the ways are {known}.")
    if not math.isfinite(intervention.value):
        raise ClewError(f"A feature cannot be changed with {intervention.value}; give a finite number.")


def _check_feature(feature: Feature, n_features: Sequence[int]) -> None:
    if not 0 <= feature.layer < len(n_features):
        raise ClewError(
            f"There is no layer {feature.layer} ({feature}); the model has layers 0 to {len(n_features) - 1}."
        )
    if not 0 <= feature.index < n_features[feature.layer]:
        count = n_features[feature.layer]
        there = f"has features 0 to {count - 1:,}" if count else "has no features"
        raise ClewError(f"There is no feature {feature}; layer {feature.layer} {there}.")


def _at(positions: Positions, n_positions: int) -> tuple[Bool[Tensor, " position"], int]:
    """Where in the prompt, and from which position on without end."""
    at = torch.zeros(n_positions, dtype=torch.bool)
    if positions == "all":
        return ~at, n_positions
    if isinstance(positions, From):
        # May lie just behind the prompt: the first generated token.
        if not 0 <= positions.position <= n_positions:
            raise _no_position(positions.position, n_positions)
        at[positions.position :] = True
        return at, max(positions.position, n_positions)
    if isinstance(positions, slice):
        at[positions] = True
        if not at.any():
            raise ClewError(f"{positions} holds none of the prompt's {n_positions} positions.")
        return at, NEVER
    for position in [positions] if isinstance(positions, int) else positions:
        if not isinstance(position, int):
            raise ClewError(
                f"{positions!r} is no position: give a number, a slice, several numbers, From(p) or 'all'."
            )
        if not -n_positions <= position < n_positions:
            raise _no_position(position, n_positions)
        at[position] = True
    return at, NEVER


def _no_position(position: int, n_positions: int) -> ClewError:
    return ClewError(f"There is no position {position}; the prompt has positions 0 to {n_positions - 1}.")
