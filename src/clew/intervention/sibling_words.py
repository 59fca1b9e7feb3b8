"""Words of a prompt that carry its meaning, and words of the same kind that give another answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from clew.dictionary.protocols import Dictionary
from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.graph.story.function_words import function_words_of
from clew.model.language_model import LanguageModel
from clew.model.messages import TEMPLATE
from clew.model.prompt import usual_front
from clew.model.template import encode_text
from clew.token_text import quote

LIKE = "Examples of the same kind are{word} and"
"""A text after which the model itself names words of the same kind."""
NAMED, TRIED = 40, 8
"""Likeliest next tokens that may be words of the same kind, and the nearest of them that are tried."""


@dataclass(frozen=True)
class Sibling:
    """A word of the same kind, and the likeliest next token with it in place of the prompt's word."""

    word: str
    token_id: int
    answer: str
    answer_id: int
    probability: float


def is_content_word(text: str, known: Collection[str]) -> bool:
    """True for a token of several letters that is none of the known function words."""
    word = text.strip()
    return len(word) > 1 and word[0].isalpha() and word.lower() not in known


def content_words(graph: Graph, among: Sequence[int] | None = None) -> list[list[int]]:
    """The prompt's content words, the most influential first: the positions of each.

    `among` limits them to some positions. The prompt's last word comes last, because all that the model says
    stands there too.
    """
    tokens, ids, last = graph.info.tokens, graph.token_ids.tolist(), len(graph.token_ids) - 1
    known = function_words_of(tokens)
    words = [
        position
        for position in range(0 if graph.sink is None else 1, len(ids))
        if is_content_word(tokens[position], known)
        and (among is None or position in among)
        and (not graph.info.roles or graph.info.roles[position] != TEMPLATE)
    ]
    if any(token[:1].isspace() for token in tokens):  # then a letter in front goes on with the word before
        words = [each for each in words if each == last or not tokens[each + 1][:1].isalpha()]
    inside = graph.node_kind != NodeKind.TARGET
    influence = np.bincount(
        graph.node_position[inside], weights=graph.node_influence[inside], minlength=len(ids)
    )
    by_id: dict[int, list[int]] = {}
    for position in words:
        by_id.setdefault(ids[position], []).append(position)
    return sorted(by_id.values(), key=lambda at: (last in at, -influence[at].sum()))


@torch.no_grad()
def find_siblings(
    model: LanguageModel, dictionary: Dictionary, token_ids: Sequence[int], positions: Sequence[int]
) -> list[Sibling]:
    """Words of the same kind that change the answer into another of its kind, the surest answer first.

    The model names them itself, in the text `LIKE`; of these, the nearest by their unembeddings are put in
    the place of the prompt's word. Only single tokens count, so that all positions stay as they are.
    """
    own = token_ids[positions[0]]
    text = model.token_text(own)
    known = function_words_of([model.token_text(token) for token in token_ids])
    asked = [*usual_front(model, dictionary.sink), *encode_text(model, LIKE.format(word=text)).bare]
    named = model.next_token_logits(torch.tensor([asked]))[0]
    candidates = [
        token
        for token in named.topk(min(NAMED, len(named))).indices.tolist()
        if _is_like(text, model.token_text(token), known)
    ]
    if not candidates:
        return []
    order = likeness(model, own, candidates).argsort(descending=True)[:TRIED].tolist()
    tried = [candidates[place] for place in order]
    follow = _likeliest(model, [[*asked, token] for token in tried])
    tried = [
        token
        for token, (after, _) in zip(tried, follow, strict=True)
        if not model.token_text(after)[:1].isalpha() or not text[:1].isspace()
    ]
    (usual, _), *answers = _likeliest(
        model, [with_word(token_ids, positions, token) for token in (own, *tried)]
    )
    kind = is_content_word(model.token_text(usual), known)
    siblings = [
        Sibling(model.token_text(token), token, model.token_text(answer), answer, probability)
        for token, (answer, probability) in zip(tried, answers, strict=True)
        if answer != usual and is_content_word(model.token_text(answer), known) == kind
    ]
    return sorted(siblings, key=lambda sibling: -sibling.probability)


def likeness(model: LanguageModel, token_id: int, others: Sequence[int]) -> Float[Tensor, " other"]:
    """Cosines between the unembedding of a token and those of others."""
    rows = nn.functional.normalize(model.unembedding_weight[[token_id, *others]].detach().float(), dim=-1)
    return rows[1:] @ rows[0]


def named_sibling(
    model: LanguageModel, token_ids: Sequence[int], words: Sequence[Sequence[int]], word: str
) -> tuple[Sequence[int], Sibling]:
    """The positions of the word that is most like the one that a person names, and that one as its sibling.

    Raises `ClewError` unless it is one token, and another one.
    """
    own = model.token_text(token_ids[words[0][0]])
    spelled = (" " if own[:1] == " " else "") + word.strip()
    ids = encode_text(model, spelled, "The word").bare if word.strip() else []
    if len(ids) != 1:
        raise ClewError(
            f"{quote(spelled)} is {len(ids)} tokens and {quote(own)} is one, so the positions of the two "
            "prompts would not match; name a word of one token."
        )
    [token] = ids
    likest = int(likeness(model, token, [token_ids[at[0]] for at in words]).argmax())
    if token_ids[words[likest][0]] == token:
        raise ClewError(f"{quote(spelled)} is the prompt's own word; name another one.")
    [(answer, probability)] = _likeliest(model, [with_word(token_ids, words[likest], token)])
    found = Sibling(model.token_text(token), token, model.token_text(answer), answer, probability)
    return words[likest], found


def with_word(token_ids: Sequence[int], positions: Sequence[int], token_id: int) -> list[int]:
    """A prompt with another token at some positions."""
    return [token_id if place in positions else each for place, each in enumerate(token_ids)]


def _is_like(word: str, other: str, known: Collection[str]) -> bool:
    """True for another content word that is written in the same way: a space in front, capitals."""
    same_case = word.strip()[:1].isupper() == other.strip()[:1].isupper()
    same_space = word[:1].isspace() == other[:1].isspace()
    different = word.strip().lower() != other.strip().lower()
    return same_case and same_space and different and is_content_word(other, known)


def _likeliest(model: LanguageModel, prompts: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """The likeliest next token of prompts of equal length, and its probability."""
    if not prompts:
        return []
    best = model.next_token_logits(torch.tensor(prompts)).softmax(dim=-1).max(dim=-1)
    return list(zip(best.indices.tolist(), best.values.tolist(), strict=True))
