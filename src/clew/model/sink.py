"""The sink of a prompt: a first token that soaks up attention.

"Efficient Streaming Language Models with Attention Sinks", Xiao et al. 2024, https://arxiv.org/abs/2309.17453
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clew.errors import ClewError
from clew.model.language_model import LanguageModel

MOST_TOKENS_AT_ONCE = 2048
"""The largest batch, in tokens, for trying sink candidates."""

LONG_PROMPT = 48
"""Tokens from which a prompt counts as long."""

SHORTLIST = 3
"""Number of candidates that are tried on the whole of a long prompt."""


@dataclass(frozen=True)
class SinkChoice:
    """A first token that soaks up attention."""

    token_id: int
    text: str
    reason: str
    kl: float | None = None
    """KL divergence (nats) between the next-token distributions without it and with it."""


def least_disturbing_sink(model: LanguageModel, token_ids: list[int]) -> SinkChoice | None:
    """The special token that changes the next-token distribution least when put in front; None without any.

    On a long prompt, its last tokens decide which few candidates are tried on the whole prompt.
    """
    candidates = special = special_ids(model)
    if not candidates:
        return None
    if len(token_ids) > LONG_PROMPT and len(candidates) > SHORTLIST:
        near_the_end = _divergence_with(model, token_ids[-LONG_PROMPT:], candidates)
        candidates = [candidates[rank] for rank in near_the_end.argsort()[:SHORTLIST].tolist()]
    divergence = _divergence_with(model, token_ids, candidates)
    best = int(divergence.argmin())
    return SinkChoice(
        candidates[best],
        model.token_text(candidates[best]),
        f"changes the answer least of {len(special)} special tokens",
        float(divergence[best]),
    )


def _divergence_with(model: LanguageModel, token_ids: list[int], candidates: list[int]) -> Tensor:
    """KL divergence (nats) between the next-token distributions without and with each candidate in front."""
    plain = model.next_token_logits(torch.tensor([token_ids])).log_softmax(-1)
    batch = max(1, MOST_TOKENS_AT_ONCE // (len(token_ids) + 1))
    divergence = []
    for first in range(0, len(candidates), batch):
        rows = torch.tensor([[candidate, *token_ids] for candidate in candidates[first : first + batch]])
        changed = model.next_token_logits(rows).log_softmax(-1)
        divergence.append((plain.exp() * (plain - changed)).sum(-1))
    return torch.cat(divergence)


def special_ids(model: LanguageModel) -> list[int]:
    """The tokenizer's special tokens that have a row in the vocabulary, in order."""
    added = model.tokenizer.added_tokens_decoder
    size = model.unembedding_weight.shape[0]
    return sorted(token for token, spelling in added.items() if spelling.special and token < size)


def named_sink(model: LanguageModel, sink: str, token_ids: list[int]) -> SinkChoice:
    """The sink of a token's text, with the KL divergence that it causes.

    Raises `ClewError` if the text is not one token.
    """
    ids = model.tokenizer.encode(sink, add_special_tokens=False)
    if len(ids) != 1:
        special = ", ".join(model.token_text(token) for token in special_ids(model)[:8])
        raise ClewError(
            f"The sink {sink!r} is not one token of {model.name}; name a token, such as the special ones: "
            f"{special}."
        )
    return SinkChoice(ids[0], sink, "named", float(_divergence_with(model, token_ids, ids)[0]))
