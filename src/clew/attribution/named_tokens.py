"""Tokens that a person names: by their id, or by a text that is one token of the vocabulary."""

from __future__ import annotations

import re
from numbers import Integral

from torch import Tensor

from clew.attribution.settings import TargetRequest
from clew.errors import ClewError
from clew.graph.graph import quote
from clew.model.language_model import LanguageModel
from clew.model.tokenizer_calls import split_text
from clew.utf8 import check_text

BY_ID = re.compile(r"\s*id:([0-9]+)\s*", re.ASCII)


def named_token(model: LanguageModel, probability: Tensor, request: TargetRequest) -> int:
    """The id of a token that is named by its id (`7042`, `"id:7042"`) or its text.

    A text may stand in quotes. Of a word with and without a space in front, and of tokens that are spelled
    alike, it is the likelier one. Raises `ClewError` for an id outside the vocabulary and for a text that is
    not one token.
    """
    if isinstance(request, str) and (by_id := BY_ID.fullmatch(request)):
        request = int(by_id[1])
    if isinstance(request, Integral) and not isinstance(request, bool):
        token = int(request)
        if not 0 <= token < len(probability):
            raise ClewError(f"Target id {token} is not in the vocabulary (0 to {len(probability) - 1}).")
        return token
    if not isinstance(request, str):
        raise ClewError(f"{request!r} is not a target; name a token by its text or its id.")
    check_text(request, f"The target {request!r}")
    if not request:
        raise ClewError("A target is empty; name a token's text, such as ' Paris'.")
    for text in (request, _unquoted(request)):
        if ids := _ids_of(model, text):
            return max(ids, key=lambda token: float(probability[token]))
    raise _not_one_token(model, request)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text


def _ids_of(model: LanguageModel, text: str) -> list[int]:
    """Tokens of this text, or of this word with its space in front."""
    spellings = [text] if text[0].isspace() else [text, " " + text]
    ids = [token for spelling in spellings for token in model.vocabulary.ids_of(spelling)]
    if ids or not text.strip():
        return ids
    # Tokens of whole words are spelled without a space, and their tokenizers drop it.
    words = split_text(model.tokenizer, text)
    return words if len(words) == 1 and model.token_text(words[0]) == text.strip() else []


def _not_one_token(model: LanguageModel, text: str) -> ClewError:
    pieces = split_text(model.tokenizer, text)
    if not pieces:
        return ClewError(f"The target {quote(text)} is no token of this model; name another text or an id.")
    spelled = ", ".join(f"id:{piece} {quote(model.token_text(piece))}" for piece in pieces)
    if len(pieces) == 1:
        return ClewError(
            f"The target {quote(text)} is no token of this model; its tokenizer makes {spelled} of it, which "
            "you can name instead."
        )
    return ClewError(
        f"The target {quote(text)} is not one token of this model but {len(pieces)} ({spelled}); only the "
        f"next token can be explained, so name id:{pieces[0]}."
    )
