"""Weights rounded as they will be saved, with the gradient of weights that are not rounded."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from clew.dictionary.quantised_rows import GROUP, round_rows


def rounded(weights: Float[Tensor, "... d_model"], bits: int | None) -> Float[Tensor, "... d_model"]:
    """Rows as they are read back from a file of so many bits; the gradient passes straight through.

    "Estimating or Propagating Gradients Through Stochastic Neurons for Conditional Computation", Bengio et
    al. 2013, https://arxiv.org/abs/1308.3432
    """
    if bits is None:
        return weights
    return weights + (round_rows(weights.detach(), bits, GROUP) - weights).detach()
