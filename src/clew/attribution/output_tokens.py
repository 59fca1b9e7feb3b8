"""Output tokens of features: decoder directions read by the unembedding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.graph.graph import Graph, OutputTokens
from clew.model.language_model import LanguageModel
from clew.progress import OnStep, ignore_step

SHOWN = 10
MOST_AT_ONCE = 2**26
"""Bytes of logits in memory together: 341 features of a vocabulary of 49,152, 64 of one of 262,144."""


@torch.no_grad()
def describe(
    graph: Graph,
    nodes: np.ndarray,
    model: LanguageModel,
    decoder: Float[Tensor, "described d_model"],
    on_progress: OnStep = ignore_step,
) -> Graph:
    """The graph with the ten highest and lowest output tokens of some feature nodes.

    `decoder` holds the write of one unit of activation to the stream, for each of `nodes`.
    """
    tokens, logits = extreme_tokens(model, decoder, on_progress)
    described = OutputTokens(
        node=nodes.astype(np.int32),
        token=tokens.cpu().numpy().astype(np.int32),
        logit=logits.cpu().numpy(),
    )
    named = {token: model.token_text(token) for token in np.unique(described.token).tolist()}
    graph = graph.with_info(token_text={**graph.info.token_text, **named})
    return replace(graph, output_tokens=described)


@torch.no_grad()
def extreme_tokens(
    model: LanguageModel,
    decoder: Float[Tensor, "feature d_model"],
    on_progress: OnStep = ignore_step,
) -> tuple[Int[Tensor, "feature shown"], Float[Tensor, "feature shown"]]:
    """For each vector the `SHOWN` tokens whose logits it raises most, then those that it lowers most.

    The logits beside them leave the final norm's scale out.
    """
    gain = model.final_norm.gain
    unembedding = model.unembedding_weight
    if model.final_norm.centred:
        decoder = decoder - decoder.mean(dim=-1, keepdim=True)
    at_once = max(1, MOST_AT_ONCE // (len(unembedding) * unembedding.element_size()))
    narrow = unembedding.dtype == torch.float16
    tokens, logits = [], []
    for rows in (decoder * gain).split(at_once):
        # float16 holds no logit above 65,504, but the order does not depend on the vectors' lengths.
        length = rows.norm(dim=1, keepdim=True).clamp(min=1e-30) if narrow else rows.new_ones(len(rows), 1)
        written = (rows / length).to(unembedding.dtype) @ unembedding.T
        high, low = written.topk(SHOWN), written.topk(SHOWN, largest=False)
        tokens.append(torch.cat([high.indices, low.indices], dim=1))
        on_progress(min(len(tokens) * at_once, len(decoder)), len(decoder))
        logits.append(torch.cat([high.values, low.values], dim=1).float() * length)
    return torch.cat(tokens), torch.cat(logits)
