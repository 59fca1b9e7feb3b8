"""Short beginnings of texts, from which the model writes on by itself."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from clew.model.language_model import LanguageModel
from clew.model.tokenizer_calls import split_text
from clew.training.text.sequences import sentences

MOST_TOKENS = 12
"""Tokens of a beginning, at most."""
CHARACTERS = 2000
"""Characters after which a sentence ends, for what has no end."""


def sentence_beginnings(
    model: LanguageModel, texts: Iterable[str], draw: random.Random
) -> Iterator[list[int]]:
    """The first tokens of the sentences and lines of some texts, mostly few of them."""
    special = set(model.vocabulary.special)
    for text in texts:
        parts = [part.strip() for part in sentences(text, CHARACTERS)]
        parts = [part for part in parts if any(character.isalpha() for character in part)]
        for ids in split_text(model.tokenizer, parts) if parts else ():
            # The smaller of two: a short one leaves the model more freedom.
            length = min(draw.randint(1, MOST_TOKENS), draw.randint(1, MOST_TOKENS))
            if beginning := [token for token in ids if token not in special][:length]:
                yield beginning


FRAMES = (
    "{Word}",
    "The {word}",
    "The {word} of",
    "A {word} is",
    "In {Word},",
    "What is {word}?",
    "How to {word}",
    "{Word} is",
    "{Word} and",
    "There was a {word}",
    "I think that {word}",
    "She said that {word}",
    "When the {word}",
    "If you {word},",
    "# {Word}\n",
    "- {word}\n-",
    "{word},",
    "{word} = ",
)
"""Beginnings of sentences, lists and programs around a word."""


def word_beginnings(model: LanguageModel, count: int, draw: random.Random) -> list[list[int]]:
    """Words of the vocabulary, each in one of a few frames.

    A model that begins with its first token alone keeps to what follows that one most often.
    """
    spelled = [model.token_text(token) for token in range(model.vocabulary.size)]
    words = [text for text in spelled if len(text.strip()) > 1 and text.strip().isalnum()]
    whole = [text for text in words if text.startswith(" ")] or words  # others may be parts of words
    texts = []
    for _ in range(count):
        word = draw.choice(whole).strip()
        texts.append(draw.choice(FRAMES).format(word=word, Word=word[:1].upper() + word[1:]))
    return split_text(model.tokenizer, texts)
