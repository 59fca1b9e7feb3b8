"""Features that have not been active for long begin anew, on what is explained worst."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.training.activations import ByLayer
from clew.training.settings import Kind
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
            lacking = residual[stacked.written(place)].float()
            worst = lacking.square().sum((0, 2)).topk(min(len(index), lacking.shape[1])).indices
            index = index[: len(worst)]
            stacked.encoder[place, index] = BEGIN_NORM * unit(reads[place][worst].float())
            stacked.encoder_bias[place, index] = 0
            stacked.decoder[stacked.pairs(place), index] = lacking[:, worst]
            stacked.threshold[place, index] = stacked.threshold[place].median()
            for moment in ("exp_avg", "exp_avg_sq"):
                optimizer.state[stacked.encoder][moment][place, index] = 0
                optimizer.state[stacked.encoder_bias][moment][place, index] = 0
                optimizer.state[stacked.decoder][moment][stacked.pairs(place), index] = 0
        stacked.normalize_decoders()


def begin_from_samples(
    reads: ByLayer,
    writes: ByLayer,
    n_features: int,
    l0: float,
    generator: torch.Generator,
    kind: Kind,
    places: Sequence[int],
) -> StackedTranscoders:
    """Transcoders whose features read and write in the directions of random tokens' inputs and outputs.

    `reads` and `writes` are normalized; `places` says which of the layers that are written are those that are
    read. Thresholds are such that about `l0` features are active.
    """
    n_layers, n_tokens, d_model = reads.shape
    chosen = torch.randint(n_tokens, (n_features,), generator=generator).to(reads.device)
    encoder = BEGIN_NORM * unit(reads[:, chosen].float())
    some = reads[:, torch.randint(n_tokens, (256,), generator=generator).to(reads.device)].float()
    pre_activation = (some @ encoder.transpose(1, 2)).flatten(1)
    above = max(1, min(pre_activation.shape[1], round(l0 * some.shape[1])))
    threshold = pre_activation.topk(above, dim=1).values[:, -1:].clamp_min(1e-3)
    reach = tuple(len(writes) - place if kind == "clt" else 1 for place in places)
    decoder = torch.cat(
        [writes[place : place + n, chosen].float() for place, n in zip(places, reach, strict=True)]
    )
    stacked = StackedTranscoders(
        encoder=encoder,
        encoder_bias=encoder.new_zeros(n_layers, n_features),
        decoder=decoder,
        decoder_bias=encoder.new_zeros(n_layers, d_model),
        threshold=threshold.repeat(1, n_features),
        skip=encoder.new_zeros(n_layers, d_model, d_model) if kind == "skip-plt" else None,
        reach=reach,
        places=tuple(places),
    )
    stacked.normalize_decoders()
    return stacked


def unit(rows: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
    """Rows with norm 1; a row of zeros stays."""
    return rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12)


Since = Int[Tensor, "layer feature"]
"""Tokens since each feature was last active."""
