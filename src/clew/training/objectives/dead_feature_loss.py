"""The auxiliary loss of TopK and BatchTopK: dead features learn what the others leave over.

With e what the reconstruction lacks, and e' the sum of what the largest dead features would write,

    loss = |e - e'|^2 / |e|^2.

"Scaling and evaluating sparse autoencoders", Gao et al. 2024, https://arxiv.org/abs/2406.04093, appendix A.2.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.activation import TopK
from clew.training.objectives.objective import Attempt
from clew.training.transcoders import StackedTranscoders


def dead_feature_loss(stacked: StackedTranscoders, attempt: Attempt) -> Float[Tensor, " layer"]:
    """Each layer's auxiliary loss, 0 where no feature is dead; half as many as dimensions take part."""
    keep = TopK(max(1, stacked.encoder.shape[-1] // 2))
    losses = []
    for place, dead in enumerate(attempt.dead):
        index = dead.nonzero().squeeze(1)
        left = attempt.residual[stacked.written(place)].detach()
        pre_activation = attempt.pre_activation[place][:, index]
        decoders = stacked.decoder[stacked.pairs(place), index]
        written = keep(pre_activation) @ decoders.to(pre_activation.dtype)
        weight = attempt.weight[stacked.written(place), :, None]
        error = (weight * (left - written.float()).square()).mean()
        error = error / (weight * left.square()).mean().clamp_min(1e-12)
        losses.append(error if len(index) else torch.zeros_like(error))
    return torch.stack(losses)
