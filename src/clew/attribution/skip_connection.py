"""A skip connection with the norms around it held fixed: one matrix product, run either way."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class SkipConnection:
    """A transcoder's skip connection on the stream: it adds `scale * (matrix @ stream)`."""

    matrix: Float[Tensor, "d_model d_model"]
    """The skip, with the gains of the norm that it reads through and the post-norm that it writes through."""
    scale: Float[Tensor, " position"]
    """Both norms' frozen scales."""

    def written(self, stream: Float[Tensor, "position d_model"]) -> Float[Tensor, "position d_model"]:
        """The writes on a whole prompt."""
        return stream @ self.matrix.T * self.scale[:, None]

    def forward(self, stream: Float[Tensor, "position d_model column"], buffer: Tensor) -> Tensor:
        """The writes for streams at the last positions of the prompt, computed in `buffer`."""
        return self._product(self.matrix, self.scale[-len(stream) :], stream, buffer)

    def backward(self, gradient: Float[Tensor, "position d_model column"], buffer: Tensor) -> Tensor:
        """Gradients at its input for those at the first positions of the prompt, computed in `buffer`."""
        return self._product(self.matrix.T, self.scale[: len(gradient)], gradient, buffer)

    @staticmethod
    def _product(matrix: Tensor, scale: Tensor, columns: Tensor, buffer: Tensor) -> Tensor:
        product = buffer[: columns.numel()].view(columns.shape)
        torch.bmm(matrix.expand(len(columns), -1, -1), columns, out=product)
        return product.mul_(scale[:, None, None])
