"""Changes too large for float32, refused with the name of the feature before their NaNs spread."""

from __future__ import annotations

from typing import NoReturn

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.errors import ClewError
from clew.intervention.intervention import Feature

LARGEST_NUMBER = torch.finfo(torch.float32).max


class Largest:
    """The largest change of each column so far: the one to name where a column no longer fits."""

    def __init__(self, strength: Float[Tensor, " column"]) -> None:
        self._strength = strength.tolist()
        self._size = [0.0] * len(self._strength)
        self._name = [""] * len(self._strength)

    def note(
        self,
        layer: int,
        index: Int[Tensor, " edit"],
        change: Float[Tensor, "column position edit"],
        start: int = 0,
    ) -> None:
        """Take in the changes of one layer, from position `start` on; `ClewError` unless all are finite."""
        if not change.numel():
            return
        # NaN counts as the largest of all, as it comes of something infinite.
        size, place = change.abs().nan_to_num(nan=torch.inf, posinf=torch.inf).flatten(1).max(dim=1)
        for column, (amount, where) in enumerate(zip(size.tolist(), place.tolist(), strict=True)):
            if amount > self._size[column]:
                position, edit = divmod(where, change.shape[2])
                self._size[column] = amount
                self._name[column] = f"{Feature(layer, int(index[edit]))}@{start + position}"
                if amount == torch.inf:
                    self.refuse(column)

    def check_written(self, added: Float[Tensor, "column position d_model"]) -> None:
        """`ClewError` where a norm that reads this could not square it: it would write zeros."""
        self._refuse_first(~added.square().sum(dim=-1).isfinite())

    def check_logits(self, logits: Float[Tensor, "column position vocabulary"]) -> None:
        """`ClewError` for logits that are not finite, or all the same, as of a norm that overflowed."""
        same = logits.amax(dim=-1) == logits.amin(dim=-1)
        self._refuse_first(~logits.isfinite().all(dim=-1) | (same & ~same[:1]))

    def _refuse_first(self, wrong: Tensor) -> None:
        columns = torch.nonzero(wrong.any(dim=1)).squeeze(1).tolist()
        if columns:
            self.refuse(columns[0])

    def refuse(self, column: int) -> NoReturn:
        size, strength = self._size[column], self._strength[column]
        if not self._name[column]:
            raise ClewError("The model's output is not finite on this prompt, whatever is changed.")
        amount = f"{size:.3g}" if size <= LARGEST_NUMBER else f"more than {LARGEST_NUMBER:.2g}"
        at = "" if strength == 1 else f" at strength {strength:g}"
        raise ClewError(
            f"{self._name[column]} changes by {amount}{at}, too large for float32: the model's output "
            "would mean nothing; make a smaller change."
        )
