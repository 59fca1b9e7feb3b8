"""Features that have not been active for long begin anew, on what is explained worst."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.training.activations import ByLayer
from clew.training.transcoders import StackedTranscoders

BEGIN_NORM = 0.25
"""The norm of an encoder direction that begins, where decoder directions have norm 1."""


def begin_features(
    stacked: StackedTranscoders,
    optimizer: torch.optim.Optimizer,
    dead: Float[Tensor, "layer feature"],
    reads: ByLayer,
    residual: ByLayer,
) -> None:
    """Let dead features read in the direction of the worst explained tokens, and write what they lack.

    Args:
        stacked: The transcoders to change in place.
        optimizer: Its moments of these features become 0, those of learned thresholds too.
        dead: True for features to begin anew.
        reads: Normalized inputs of some tokens.
        residual: What is missing in the reconstruction of these tokens' outputs.
    """
    with torch.no_grad():
        for place in range(len(dead)):
            index = dead[place].nonzero().squeeze(1)
            lacking = residual[stacked.written(place)].float()
            worst = lacking.square().sum((0, 2)).topk(min(len(index), lacking.shape[1])).indices
            index = index[: len(worst)]
            stacked.encoder[place, index] = BEGIN_NORM * unit(reads[place][worst].float())
            stacked.encoder_bias[place, index] = 0
            stacked.decoder[stacked.pairs(place), index] = lacking[:, worst]
            stacked.threshold[place, index] = stacked.threshold[place].median()
            for moment in ("exp_avg", "exp_avg_sq"):
                if stacked.threshold in optimizer.state:
                    optimizer.state[stacked.threshold][moment][place, index] = 0
                optimizer.state[stacked.encoder][moment][place, index] = 0
                optimizer.state[stacked.encoder_bias][moment][place, index] = 0
                optimizer.state[stacked.decoder][moment][stacked.pairs(place), index] = 0
        stacked.normalize_decoders()


def unit(rows: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
    """Rows with norm 1; a row of zeros stays."""
    return rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12)


Since = Int[Tensor, "layer feature"]
"""Tokens since each feature was last active."""
