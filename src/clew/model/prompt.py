"""Prompts as token ids, with a first token that soaks up attention: the sink.

"Efficient Streaming Language Models with Attention Sinks", Xiao et al. 2024, https://arxiv.org/abs/2309.17453
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from jaxtyping import Int
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


@dataclass(frozen=True)
class Prompt:
    """Token ids ready for the model; `sink` is None if the first position is an ordinary one."""

    text: str
    token_ids: Int[Tensor, " position"]
    tokens: tuple[str, ...]
    sink: SinkChoice | None

    @property
    def first_position(self) -> int:
        """The first position whose features and errors are nodes."""
        return 0 if self.sink is None else 1


def encode_prompt(model: LanguageModel, prompt: str | Sequence[int], sink: str | None = None) -> Prompt:
    """Tokenise a prompt and choose its sink.

    `sink` is None (choose one), `"none"` (the first position is an ordinary one) or a token's text. A
    prompt of ids stays as it is, and its first id is the sink unless `sink="none"`. For a text the sink is
    the BOS token that the tokenizer adds. If it adds none, the sink is the special token that changes the
    model's next-token distribution on this prompt least. Raises `ClewError` for an empty prompt, one
    longer than the context, ids outside the vocabulary, and a sink that is not one token.
    """
    if not isinstance(prompt, str):
        return _from_ids(model, _ids_of(prompt), sink)
    if not prompt:
        raise ClewError("The prompt is empty; give at least one token of text.")
    bare = model.tokenizer.encode(prompt, add_special_tokens=False)
    full = model.tokenizer.encode(prompt, add_special_tokens=True)
    adds_bos = len(full) > len(bare) and full[0] == model.tokenizer.bos_token_id
    if not bare:
        raise ClewError(f"The prompt {prompt!r} has no tokens; give at least one token of text.")
    _check_length(model, len(bare) + 1)
    if sink is None and bare[0] in _special_ids(model):
        return _prompt(
            model, prompt, bare, SinkChoice(bare[0], model.token_text(bare[0]), "first in the prompt")
        )
    if sink == "none":
        return _prompt(model, prompt, full if adds_bos else bare, None)
    if sink is not None:
        choice = _named_sink(model, sink, bare)
    elif adds_bos:
        choice = SinkChoice(full[0], model.token_text(full[0]), "the tokenizer's own first token")
    else:
        choice = least_disturbing_sink(model, bare)
    return _prompt(model, prompt, bare if choice is None else [choice.token_id, *bare], choice)


def least_disturbing_sink(model: LanguageModel, token_ids: list[int]) -> SinkChoice | None:
    """The special token that changes the next-token distribution least when put in front; None without any.

    On a long prompt, its last tokens decide which few candidates are tried on the whole prompt.
    """
    candidates = special = _special_ids(model)
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


def _special_ids(model: LanguageModel) -> list[int]:
    added = model.tokenizer.added_tokens_decoder
    size = model.unembedding_weight.shape[0]
    return sorted(token for token, spelling in added.items() if spelling.special and token < size)


def _named_sink(model: LanguageModel, sink: str, token_ids: list[int]) -> SinkChoice:
    ids = model.tokenizer.encode(sink, add_special_tokens=False)
    if len(ids) != 1:
        special = ", ".join(model.token_text(token) for token in _special_ids(model)[:8])
        raise ClewError(
            f"The sink {sink!r} is not one token of {model.name}; name a token, such as the special ones: "
            f"{special}."
        )
    return SinkChoice(ids[0], sink, "named", float(_divergence_with(model, token_ids, ids)[0]))


def _ids_of(prompt: object) -> list[int]:
    ids = list(prompt) if isinstance(prompt, Iterable) and not isinstance(prompt, bytes) else None
    if ids is None or not all(isinstance(each, Integral) and not isinstance(each, bool) for each in ids):
        raise ClewError(f"{prompt!r} is not a prompt; pass a text or a list of token ids.")
    return [int(each) for each in ids]


def _from_ids(model: LanguageModel, ids: list[int], sink: str | None) -> Prompt:
    if sink not in (None, "none"):
        raise ClewError(
            "The sink of a prompt of token ids is its first id; put that token first, or leave the sink out."
        )
    if not ids:
        raise ClewError("The prompt is empty; give at least one token id.")
    size = model.unembedding_weight.shape[0]
    for token in ids:
        if not 0 <= token < size:
            raise ClewError(f"Token id {token} is not in the vocabulary; use ids from 0 to {size - 1}.")
    _check_length(model, len(ids))
    text = model.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    choice = None if sink == "none" else SinkChoice(ids[0], model.token_text(ids[0]), "the first id given")
    return _prompt(model, text, ids, choice)


def _check_length(model: LanguageModel, length: int) -> None:
    if length > model.context_length:
        raise ClewError(
            f"The prompt is {length:,} tokens long, but {model.name} reads at most {model.context_length:,}; "
            "shorten it."
        )


def _prompt(model: LanguageModel, text: str, ids: list[int], sink: SinkChoice | None) -> Prompt:
    return Prompt(text, torch.tensor(ids), tuple(model.token_text(token) for token in ids), sink)
