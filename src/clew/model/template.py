"""A text's token ids, and the special tokens that the tokenizer's own template puts around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.model.tokenizer_calls import split_text
from clew.utf8 import check_text


@dataclass(frozen=True)
class EncodedText:
    """A text in token ids, as the tokenizer makes them but for special tokens at the end."""

    token_ids: list[int]
    """The tokenizer's own ids: with what its template puts in front, without what it puts behind."""
    bare: list[int]
    """The ids of the text alone."""
    prefix: list[int]
    """The special tokens that the template puts in front; a BOS that the text itself has is not doubled."""


def encode_text(model: LanguageModel, text: str, what: str = "The prompt") -> EncodedText:
    """Tokenise a text; `what` begins the sentence about one that cannot be used.

    Raises `ClewError` for a text that is not UTF-8, and for tokens that the model has no embedding for.
    """
    check_text(text, what)
    bare = _ids(model, text, template=False)
    prefix, _ = _around(model, _ids(model, text, template=True), bare)
    check_known(model, [*prefix, *bare], what)
    typed = _shared(prefix, bare)
    return EncodedText([*prefix, *bare[typed:]], bare, prefix)


def check_known(model: LanguageModel, ids: Sequence[int], what: str) -> None:
    """Raise `ClewError` for tokens of the tokenizer that the model has no embedding for."""
    size = model.unembedding_weight.shape[0]
    if beyond := [token for token in ids if token >= size]:
        raise ClewError(
            f"{what} has the token {beyond[0]} of the tokenizer, but {model.name} has only the tokens 0 to "
            f"{size - 1}; use the tokenizer that the model was trained with."
        )


def template_prefix(model: LanguageModel) -> list[int]:
    """The special tokens that the tokenizer's template puts in front of every text, such as a BOS."""
    return encode_text(model, "a").prefix


def _ids(model: LanguageModel, text: str, template: bool) -> list[int]:
    return split_text(model.tokenizer, text, special=template)


def _around(model: LanguageModel, whole: Sequence[int], bare: Sequence[int]) -> tuple[list[int], list[int]]:
    """The parts of `whole` before and behind `bare`."""
    for begin in range(len(whole) - len(bare) + 1):
        if list(whole[begin : begin + len(bare)]) == list(bare):
            return list(whole[:begin]), list(whole[begin + len(bare) :])
    raise ClewError(
        f"The tokenizer of {model.name} splits a text in two ways, with special tokens and without; "
        "give the prompt as token ids."
    )


def _shared(left: Sequence[int], right: Sequence[int]) -> int:
    """The number of first ids that two sequences share."""
    pairs = zip(left, right, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right)))
