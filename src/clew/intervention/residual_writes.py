"""The changes of one pass: worked out where features are read, added where they write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from clew.dictionary.protocols import Dictionary
from clew.intervention.overflow import Largest

FEATURES_AT_ONCE = 256
"""Bounds the decoder rows that are in memory together."""


class Edits(Protocol):
    """Changes of one layer's features, whatever says which."""

    @property
    def index(self) -> Int[Tensor, " edit"]: ...

    def change(
        self, activation: Float[Tensor, "column position edit"], start: int = 0
    ) -> Float[Tensor, "column position edit"]:
        """What to add to the activations of these features, from position `start` on."""
        ...

    def where(self, start: int, count: int) -> Bool[Tensor, "edit position"]:
        """Which positions from `start` on each edit changes in any column."""
        ...


def changed_places(edits: Edits, n_positions: int, n_features: int) -> Bool[Tensor, "position feature"]:
    """Which features of a layer are changed where in a prompt."""
    found = torch.zeros(n_positions, n_features, dtype=torch.bool)
    index, position = torch.nonzero(edits.where(0, n_positions), as_tuple=True)
    found[position, edits.index.cpu()[index]] = True
    return found


class Pending:
    """What is still to be added at write points; columns are runs of the same prompt side by side."""

    def __init__(
        self,
        dictionary: Dictionary,
        edits: Mapping[int, Edits],
        strength: Float[Tensor, " column"],
        layers: range,
    ) -> None:
        """Each column makes the changes times its `strength`; only writes in `layers` are made."""
        self._dictionary, self._edits = dictionary, edits
        self._strength, self._layers = strength, layers
        self.largest = Largest(strength)
        self._added: dict[int, Tensor] = {}
        self._decoders: dict[int, Tensor] = {}

    def note(
        self, layer: int, activation: Float[Tensor, "column position feature"], start: int = 0
    ) -> Float[Tensor, "column position feature"]:
        """Work out the changes of a layer whose features have these activations, from position `start` on.

        Returns the activations after the changes. Raises `ClewError` for changes that are not finite.
        """
        edits = self._edits.get(layer)
        if edits is None:
            return activation
        index = edits.index.to(activation.device)
        strength = self._strength.view(-1, 1, 1)
        change = edits.change(activation[..., index], start) * strength
        change = torch.where(strength == 0, 0, change)  # nothing, even of what is infinite
        self.largest.note(layer, index, change, start)
        if len(index) <= FEATURES_AT_ONCE:
            self._write(layer, self._decoder(layer, edits), change)
        else:  # of a whole layer's edits few change anything, and only those need decoder rows
            changing = torch.nonzero(change.flatten(0, -2).any(dim=0)).squeeze(1)
            for some in changing.split(FEATURES_AT_ONCE):
                self._write(layer, self._dictionary.decoder(layer, index[some]), change[..., some])
        return activation.index_add(-1, index, change)

    def _decoder(self, layer: int, edits: Edits) -> Float[Tensor, "edit written d_model"]:
        """Read once, however many tokens are generated."""
        if layer not in self._decoders:
            self._decoders[layer] = self._dictionary.decoder(layer, edits.index)
        return self._decoders[layer]

    def _write(
        self,
        layer: int,
        decoder: Float[Tensor, "edit written d_model"],
        change: Float[Tensor, "column position edit"],
    ) -> None:
        for ahead in range(decoder.shape[1]):
            if layer + ahead in self._layers:
                written = change @ decoder[:, ahead]
                known = self._added.get(layer + ahead)
                self._added[layer + ahead] = written if known is None else known + written

    def take(self, layer: int, *, normed: bool = True) -> Float[Tensor, "column position d_model"] | None:
        """What to add at the layer's write point; None for nothing. Can be taken once.

        Raises `ClewError` for what a norm could not read, where it is to be `normed` (not held).
        """
        added = self._added.pop(layer, None)
        if added is not None and normed:
            self.largest.check_written(added)
        return added
