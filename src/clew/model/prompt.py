"""Prompts as token ids, with the sink in front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from jaxtyping import Int
from torch import Tensor

from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.model.normalization import warn_of_changes
from clew.model.sink import SinkChoice, least_disturbing_sink, named_sink, special_ids
from clew.model.template import EncodedText, encode_text
from clew.utf8 import check_text


@dataclass(frozen=True)
class Prompt:
    """Token ids ready for the model; `sink` is None if the first position is an ordinary one."""

    text: str
    token_ids: Int[Tensor, " position"]
    tokens: tuple[str, ...]
    sink: SinkChoice | None
    changes: str = ""
    """A sentence about what the tokenizer changed in the text, if it changed anything."""

    @property
    def first_position(self) -> int:
        """The first position whose features and errors are nodes."""
        return 0 if self.sink is None else 1


def encode_prompt(
    model: LanguageModel, prompt: str | Sequence[int], sink: str | None = None, *, what: str = "the prompt"
) -> Prompt:
    """Tokenise a prompt and choose its sink.

    `sink` is None (choose one), `"none"` (the first position is an ordinary one) or a token's text. A
    prompt of ids stays as it is, and its first id is the sink unless `sink="none"`. A text becomes the
    tokenizer's own ids without the special tokens that its template puts at the end; a BOS that the text
    has already is not doubled. Its sink is the first token that the template puts in front, or a special
    token that the text begins with. Where there is none of these, the model's sink comes in front. Raises
    `ClewError` for an empty prompt, one that is not UTF-8, one longer than the context, ids outside the
    vocabulary, and a sink that is not one token. Warns (`ChangedPrompt`) of what the tokenizer changes in a
    text, which the warning calls `what`.
    """
    if not isinstance(prompt, str):
        return _from_ids(model, _ids_of(prompt), sink)
    if not prompt:
        raise ClewError("The prompt is empty; give at least one token of text.")
    encoded = encode_text(model, prompt)
    if not encoded.bare:
        raise ClewError(f"The prompt {prompt!r} has no tokens; give at least one token of text.")
    ids, choice = _with_sink(model, encoded, sink)
    _check_length(model, len(ids))
    return _prompt(model, prompt, ids, choice, warn_of_changes(model, prompt, encoded.bare, what))


def _with_sink(
    model: LanguageModel, encoded: EncodedText, sink: str | None
) -> tuple[list[int], SinkChoice | None]:
    """The ids that the model reads, and their sink."""
    own, bare = encoded.token_ids, encoded.bare
    if sink == "none":
        return own, None
    if sink is not None:
        check_text(sink, "The sink")
        if model.token_text(bare[0]) == sink:
            return bare, SinkChoice(bare[0], sink, "named")
        _check_length(model, len(bare) + 1)
        choice = named_sink(model, sink, bare)
        return [choice.token_id, *bare], choice
    if encoded.prefix:
        return own, SinkChoice(own[0], model.token_text(own[0]), "the tokenizer's own first token")
    if own[0] in special_ids(model):
        return own, SinkChoice(own[0], model.token_text(own[0]), "first in the prompt")
    _check_length(model, len(own) + bool(special_ids(model)))
    choice = least_disturbing_sink(model, own)
    return (own if choice is None else [choice.token_id, *own]), choice


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
    text = model.vocabulary.text_of(ids)
    choice = None if sink == "none" else SinkChoice(ids[0], model.token_text(ids[0]), "the first id given")
    return _prompt(model, text, ids, choice)


def _check_length(model: LanguageModel, length: int) -> None:
    if length > model.context_length:
        raise ClewError(
            f"The prompt is {length:,} tokens long, but {model.name} reads at most {model.context_length:,}; "
            "shorten it."
        )


def _prompt(
    model: LanguageModel, text: str, ids: list[int], sink: SinkChoice | None, changes: str = ""
) -> Prompt:
    return Prompt(text, torch.tensor(ids), tuple(model.token_text(token) for token in ids), sink, changes)
