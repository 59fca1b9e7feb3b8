"""Changes too large for float32, refused with the name of the feature before their NaNs spread."""

from __future__ import annotations

from typing import NoReturn

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.errors import ClewError
from clew.feature import FeatureAt

LARGEST_NUMBER = torch.finfo(torch.float32).max


class LargestChange:
    """The largest change in each column so far, to be named where its column overflows."""

    def __init__(self, strength: Float[Tensor, " column"]) -> None:
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
            f"{self._name[column]} changes by {amount}{at}, too large for float32: the model's output "
            "would mean nothing; make a smaller change."
        )
