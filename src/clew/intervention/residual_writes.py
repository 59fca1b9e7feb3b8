"""Writes of changed features to the residual stream: computed where features read, added where they write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.dictionary.protocols import Dictionary
from clew.errors import ClewError
from clew.feature import FeatureAt
from clew.intervention.layer_interventions import LARGEST_NUMBER, LayerIntervention

FEATURES_AT_ONCE = 256
"""Bounds the decoder rows that are in memory together."""


class LargestChange:
    """The largest change in each column so far, to be named where its column overflows."""

    def __init__(self, strength: Float[Tensor, " column"], precision: str = "float32") -> None:
        """`precision` names the number format of the model."""
        self._precision = precision
        self._strength = strength.tolist()
        self._size = [0.0] * len(self._strength)
        self._name = [""] * len(self._strength)

    def update(
        self,
        layer: int,
        index: Int[Tensor, " feature"],
        change: Float[Tensor, "column position feature"],
        start: int = 0,
    ) -> None:
        """Compare with the changes of one layer, which start at position `start`; all must be finite."""
        if not change.numel():
            return
        # NaN counts as the largest of all, as it comes of something infinite.
        size, at = change.abs().nan_to_num(nan=torch.inf, posinf=torch.inf).flatten(1).max(dim=1)
        for column, (amount, offset) in enumerate(zip(size.tolist(), at.tolist(), strict=True)):
            if amount > self._size[column]:
                position, changed = divmod(offset, change.shape[2])
                self._size[column] = amount
                self._name[column] = str(FeatureAt(layer, start + position, int(index[changed])))
                if amount == torch.inf:
                    self.refuse(column)

    def check_written(self, added: Float[Tensor, "column position d_model"]) -> None:
        """Raise `ClewError` where the square of a write overflows, so that the norm behind it gives zeros."""
        self._refuse_first(~added.square().sum(dim=-1).isfinite())

    def check_logits(self, logits: Float[Tensor, "column position vocabulary"]) -> None:
        """Raise `ClewError` for logits that are not finite, or all the same because a norm overflowed."""
        same = logits.amax(dim=-1) == logits.amin(dim=-1)
        self._refuse_first(~logits.isfinite().all(dim=-1) | (same & ~same[:1]))

    def _refuse_first(self, wrong: Tensor) -> None:
        columns = torch.nonzero(wrong.any(dim=1)).squeeze(1).tolist()
        if columns:
            self.refuse(columns[0])

    def refuse(self, column: int) -> NoReturn:
        size, strength = self._size[column], self._strength[column]
        if not self._name[column]:
            raise ClewError("The model's output is not finite on this prompt, even without a change.")
        amount = f"{size:.3g}" if size <= LARGEST_NUMBER else f"more than {LARGEST_NUMBER:.2g}"
        at = "" if strength == 1 else f" at strength {strength:g}"
        raise ClewError(
            f"{self._name[column]} changes by {amount}{at}, too large for {self._precision}: the model's "
            "output would mean nothing; make a smaller change."
        )


class ResidualWrites:
    """Changes on their way to write points; columns are runs of the same prompt side by side."""

    def __init__(
        self,
        dictionary: Dictionary,
        interventions: Mapping[int, LayerIntervention],
        strength: Float[Tensor, " column"],
        layers: range,
        precision: str,
    ) -> None:
        """Each column makes the changes times its `strength`; only writes in `layers` are made."""
        self._dictionary, self._interventions = dictionary, interventions
        self._strength, self._layers = strength, layers
        self.largest = LargestChange(strength, precision)
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
