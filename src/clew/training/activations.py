"""The inputs and outputs of a model's MLPs on a batch of texts, in one pass for all layers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clew.model.language_model import LanguageModel
from clew.model.recording import installed, mlp_output

ByLayer = Float[Tensor, "layer token d_model"]

SAME_LOGITS = 1e-3
"""Largest relative difference of logits under which a faster attention counts as the same."""


@torch.no_grad()
def mlp_values(
    model: LanguageModel, token_ids: Int[Tensor, "sequence position"], layers: Sequence[int]
) -> tuple[ByLayer, ByLayer]:
    """The values at the input and the output of some layers' MLPs, without the first position.

    The model's pass ends with the last of these layers. Returns two `[layer, token, d_model]`, tokens of all
    sequences one after the other, on the model's device: what the MLP reads after its norm's gain, and what
    it returns before a norm behind it.
    """
    values: dict[int, tuple[Tensor, Tensor]] = {}

    def keep(layer: int) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple, output: Any) -> None:
            read, written = inputs[0], mlp_output(inputs, output)
            values[layer] = read[:, 1:].flatten(0, 1), written[:, 1:].flatten(0, 1)
            if len(values) == len(layers):
                raise _AllSeen

        return hook

    hooks = [(model.layers[layer].mlp, keep(layer)) for layer in layers]
    with model.exclusive, installed(hooks), contextlib.suppress(_AllSeen):
        model.run(token_ids, logits_to_keep=1)
    reads, writes = zip(*(values[layer] for layer in layers), strict=True)
    return torch.stack(reads), torch.stack(writes)


class _AllSeen(Exception):
    """The end of a pass of the model above whose layers nothing is wanted."""


def products_in(device: torch.device) -> contextlib.AbstractContextManager:
    """A block whose matrix products use bfloat16 on a GPU, and float32 elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


@contextlib.contextmanager
def fast_attention(model: LanguageModel, token_ids: Int[Tensor, "sequence position"]) -> Iterator[None]:
    """A block where attention is computed fused, if that gives this model's own logits on these texts.

    Tracing needs the patterns, which fused attention does not give; training does not.
    """
    network = model.network
    before = network.config._attn_implementation
    expected = model.next_token_logits(token_ids)
    try:
        network.set_attn_implementation("sdpa")
        difference = (model.next_token_logits(token_ids) - expected).norm() / expected.norm()
    except (ValueError, RuntimeError, ImportError):  # an architecture without it
        difference = torch.tensor(torch.inf)
    if not difference < SAME_LOGITS:
        network.set_attn_implementation(before)
    try:
        yield
    finally:
        network.set_attn_implementation(before)
