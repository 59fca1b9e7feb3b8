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
        optimizer: Its moments of these features become 0.
        dead: True for features to begin anew.
        reads: Normalized inputs of some tokens.
        residual: What is missing in the reconstruction of these tokens' outputs.
    """
    with torch.no_grad():
        for place in range(len(dead)):
            index = dead[place].nonzero().squeeze(1)
            worst = (
                residual[place].float().square().sum(1).topk(min(len(index), len(residual[place]))).indices
            )
            index = index[: len(worst)]
            stacked.encoder[place, index] = BEGIN_NORM * unit(reads[place][worst].float())
            stacked.encoder_bias[place, index] = 0
            stacked.decoder[place, index] = unit(residual[place][worst].float())
            stacked.threshold[place, index] = stacked.threshold[place].median()
            for array in (stacked.encoder, stacked.encoder_bias, stacked.decoder):
                for moment in ("exp_avg", "exp_avg_sq"):
                    optimizer.state[array][moment][place, index] = 0


def begin_from_samples(
    reads: ByLayer, writes: ByLayer, n_features: int, l0: float, generator: torch.Generator, skip: bool
) -> StackedTranscoders:
    """Transcoders whose features read and write in the directions of random tokens' inputs and outputs.

    `reads` and `writes` are normalized. Thresholds are such that about `l0` features are active.
    """
    n_layers, n_tokens, d_model = reads.shape
    chosen = torch.randint(n_tokens, (n_features,), generator=generator).to(reads.device)
    encoder = BEGIN_NORM * unit(reads[:, chosen].float())
    some = reads[:, torch.randint(n_tokens, (256,), generator=generator).to(reads.device)].float()
    pre_activation = (some @ encoder.transpose(1, 2)).flatten(1)
    above = max(1, min(pre_activation.shape[1], round(l0 * some.shape[1])))
    threshold = pre_activation.topk(above, dim=1).values[:, -1:].clamp_min(1e-3)
    return StackedTranscoders(
        encoder=encoder,
        encoder_bias=encoder.new_zeros(n_layers, n_features),
        decoder=unit(writes[:, chosen].float()),
        decoder_bias=encoder.new_zeros(n_layers, d_model),
        threshold=threshold.repeat(1, n_features),
        skip=encoder.new_zeros(n_layers, d_model, d_model) if skip else None,
    )


def unit(rows: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
    """Rows with norm 1; a row of zeros stays."""
    return rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12)


Since = Int[Tensor, "layer feature"]
"""Tokens since each feature was last active."""
