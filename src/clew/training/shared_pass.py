"""One pass of the model over a batch, whose sequences are shared out among the processes of a run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from clew.model.language_model import LanguageModel
from clew.training.activations import ByLayer, mlp_values, products_in
from clew.training.ranks import Ranks


def own_rows(token_ids: Int[Tensor, "sequence position"], ranks: Ranks) -> Int[Tensor, "row position"]:
    """This process's sequences; the last processes may have fewer than the others, or none."""
    n_rows = -(-len(token_ids) // ranks.count)
    return token_ids[n_rows * ranks.number : n_rows * (ranks.number + 1)]


def own_values(
    model: LanguageModel,
    token_ids: Int[Tensor, "sequence position"],
    layers: Sequence[int],
    owners: Sequence[int],
    ranks: Ranks,
    *,
    all_writes: bool,
) -> tuple[ByLayer, ByLayer]:
    """Values at the inputs and outputs of the MLPs of this process's layers, on all tokens of the batch.

    Args:
        model: The model.
        token_ids: The whole batch, the same in each process.
        layers: The layers that are trained.
        owners: The process that each layer belongs to.
        ranks: The processes.
        all_writes: True to give the outputs of all layers, for features that write to several.
    """
    rows = own_rows(token_ids, ranks)
    missing = -(-len(token_ids) // ranks.count) - len(rows)
    rows = torch.cat([rows, token_ids[-1:].expand(missing, -1)])  # as many as the others have
    with products_in(model.device):
        reads, writes = mlp_values(model, rows, layers)
    n_tokens = len(token_ids) * (token_ids.shape[1] - 1)

    def collected(values: ByLayer, to_all: bool) -> ByLayer:
        if ranks.count == 1:
            return values
        found = [
            ranks.all_tokens(value, None if to_all else owner)
            for value, owner in zip(values, owners, strict=True)
        ]
        return torch.stack([value[:n_tokens] for value in found if value is not None])

    return collected(reads, to_all=False), collected(writes, to_all=all_writes)
