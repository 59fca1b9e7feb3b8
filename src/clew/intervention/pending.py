"""The changes of one pass: worked out where features are read, added where they write."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from clew.dictionary.base import Dictionary
from clew.intervention.edits import LayerEdits


class Pending:
    """What is still to be added at write points; columns are runs of the same prompt side by side."""

    def __init__(
        self,
        dictionary: Dictionary,
        edits: Mapping[int, LayerEdits],
        strength: Float[Tensor, " column"],
        layers: range,
    ) -> None:
        """Each column makes the changes times its `strength`; only writes in `layers` are made."""
        self._dictionary, self._edits = dictionary, edits
        self._strength, self._layers = strength, layers
        self._added: dict[int, Tensor] = {}
        self._decoders: dict[int, Tensor] = {}

    def note(
        self, layer: int, activation: Float[Tensor, "column position feature"], start: int = 0
    ) -> Float[Tensor, "column position feature"]:
        """Work out the changes of a layer whose features have these activations, from position `start` on.

        Returns the activations after the changes.
        """
        edits = self._edits.get(layer)
        if edits is None:
            return activation
        index = edits.index.to(activation.device)
        change = edits.change(activation[..., index], start) * self._strength.view(-1, 1, 1)
        decoder = self._decoder(layer, edits)
        for ahead in range(decoder.shape[1]):
            if layer + ahead in self._layers:
                written = change @ decoder[:, ahead]
                known = self._added.get(layer + ahead)
                self._added[layer + ahead] = written if known is None else known + written
        return activation.index_add(-1, index, change)

    def _decoder(self, layer: int, edits: LayerEdits) -> Float[Tensor, "edit written d_model"]:
        """Read once, however many tokens are generated."""
        if layer not in self._decoders:
            self._decoders[layer] = self._dictionary.decoder(layer, edits.index)
        return self._decoders[layer]

    def take(self, layer: int) -> Float[Tensor, "column position d_model"] | None:
        """What to add at the layer's write point; None for nothing. Can be taken once."""
        return self._added.pop(layer, None)
