"""Writes of changed features to the residual stream: computed where features read, added where they write."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.protocols import Dictionary
from clew.intervention.layer_interventions import LayerIntervention
from clew.intervention.overflow import LargestChange

FEATURES_AT_ONCE = 256
"""Bounds the decoder rows that are in memory together."""


class ResidualWrites:
    """Changes on their way to write points; columns are runs of the same prompt side by side."""

    def __init__(
        self,
        dictionary: Dictionary,
        interventions: Mapping[int, LayerIntervention],
        strength: Float[Tensor, " column"],
        layers: range,
    ) -> None:
        """Each column makes the changes times its `strength`; only writes in `layers` are made."""
        self._dictionary, self._interventions = dictionary, interventions
        self._strength, self._layers = strength, layers
        self.largest = LargestChange(strength)
        self._added: dict[int, Tensor] = {}
        self._decoders: dict[int, Tensor] = {}

    def change(
        self, layer: int, activation: Float[Tensor, "column position feature"], start: int = 0
    ) -> Float[Tensor, "column position feature"]:
        """A layer's activations after its changes, from position `start` on; the writes wait to be taken.

        Raises `ClewError` for changes that are not finite.
        """
        intervention = self._interventions.get(layer)
        if intervention is None:
            return activation
        index = intervention.index.to(activation.device)
        strength = self._strength.view(-1, 1, 1)
        change = intervention.change(activation[..., index], start) * strength
        change = torch.where(strength == 0, 0, change)  # no change, even of an infinite activation
        self.largest.update(layer, index, change, start)
        if len(index) <= FEATURES_AT_ONCE:
            self._write(layer, self._decoder(layer, intervention), change)
        else:  # a whole layer: only features that do change need decoder rows
            changing = torch.nonzero(change.flatten(0, -2).any(dim=0)).squeeze(1)
            for some in changing.split(FEATURES_AT_ONCE):
                self._write(layer, self._dictionary.decoder(layer, index[some]), change[..., some])
        return activation.index_add(-1, index, change)

    def _decoder(
        self, layer: int, intervention: LayerIntervention
    ) -> Float[Tensor, "feature written d_model"]:
        """Decoder rows, read once for all generated tokens."""
        if layer not in self._decoders:
            self._decoders[layer] = self._dictionary.decoder(layer, intervention.index)
        return self._decoders[layer]

    def _write(
        self,
        layer: int,
        decoder: Float[Tensor, "feature written d_model"],
        change: Float[Tensor, "column position feature"],
    ) -> None:
        for ahead in range(decoder.shape[1]):
            if layer + ahead in self._layers:
                written = change @ decoder[:, ahead]
                before = self._added.get(layer + ahead)
                self._added[layer + ahead] = written if before is None else before + written

    def take(self, layer: int, *, normed: bool = True) -> Float[Tensor, "column position d_model"] | None:
        """The sum to add at a layer's write point, once; None for nothing.

        `normed` says that a norm reads it: raises `ClewError` for a sum whose square overflows.
        """
        added = self._added.pop(layer, None)
        if added is not None and normed:
            self.largest.check_written(added)
        return added
