"""Whole words around peaks: the word of a peak, the phrase before it, and words that all texts share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from clew.graph.story.function_words import continues_word, is_function_word
from clew.graph.summary.words import begins_word, is_nameable, stem
from clew.index.storage.excerpts import PeakText

FAREST = 6
"""Words before a peak that a phrase may reach back."""
SHARED = 0.75
"""Share of the texts that a word of a phrase, or a shared word, stands in."""
FEWEST = 3
"""Texts that share something, at least."""
LEAST_SURPRISE = math.log(5000)
"""Negative logarithm of the chance that so many texts share a word, from which it is no chance."""
ALIKE = 1 / 3
"""Share of all words of two texts that both hold, from which they are of one pattern."""
SLOT = "…"


def words_around(text: PeakText) -> tuple[list[str], int]:
    """The words of a text without spaces, pieces of a word joined, and the place of the peak's word."""
    words: list[str] = []
    at = 0
    for place, token in enumerate(text.tokens):
        if words and continues_word(words[-1], token):
            words[-1] += token
        else:
            words.append(token.strip() or token)
        if place == text.peak_at:
            at = len(words) - 1
    return words, at


def peak_word(text: PeakText) -> str:
    """The whole word that a peak is a part of; empty where the text may cut it off."""
    words, at = words_around(text)
    cut_off = (
        at == 0 and not begins_word(text.tokens[0]) and not text.is_first and not text.tokens[0][:1].isupper()
    )
    return "" if not words or cut_off else words[at]


def phrase_before(texts: Sequence[PeakText], shared: float = SHARED) -> str:
    """The words before the peaks of most texts, `the capital of …`; empty for none with a meaning."""
    if len(texts) < FEWEST:
        return ""
    fronts = []
    for text in texts:
        words, at = words_around(text)
        fronts.append([word.lower() for word in words[:at]][::-1])
    phrase: list[str] = []
    for back in range(FAREST):
        here = Counter(front[back] for front in fronts if len(front) > back)
        word, times = here.most_common(1)[0] if here else ("", 0)
        phrase.append(word if times >= shared * len(texts) else SLOT)
        if phrase[-2:] == [SLOT, SLOT]:
            break
    while phrase and phrase[-1] == SLOT:
        phrase.pop()
    if not any(word != SLOT and not is_function_word(word) and is_nameable(word) for word in phrase):
        return ""
    while phrase and is_function_word(phrase[-1]) and not is_nameable(phrase[-1]):
        phrase.pop()
    return " ".join(phrase[::-1])


def shared_words(
    texts: Sequence[PeakText], common: Mapping[str, float], but: Sequence[str] = ()
) -> list[str]:
    """Words with a meaning that most texts share beyond chance, the least common first.

    `common` is the share of all texts of this length that hold a word, by its stem.
    """
    texts = _unlike(texts)
    if len(texts) < FEWEST:
        return []
    held: Counter[str] = Counter()
    spelled: dict[str, Counter[str]] = {}
    for text in texts:
        words, at = words_around(text)
        found = {stem(word): word for place, word in enumerate(words) if place != at and _tells(word)}
        held.update(found.keys())
        for each, word in found.items():
            spelled.setdefault(each, Counter())[word] += 1
    left_out = {stem(word) for word in but}
    surprise = {
        word: -times * math.log(min(1.0, common.get(word, 0.0) + 0.002))
        for word, times in held.items()
        if word not in left_out and times >= max(FEWEST, SHARED * len(texts))
    }
    best = sorted(
        (word for word in surprise if surprise[word] >= LEAST_SURPRISE), key=lambda word: -surprise[word]
    )
    return [spelled[word].most_common(1)[0][0] for word in best]


def common_words(texts: Sequence[Sequence[str]]) -> dict[str, float]:
    """The share of pieces of text that hold a word, by its stem; a piece is as long as an excerpt."""
    pieces = 0
    held: Counter[str] = Counter()
    for tokens in texts:
        for begin in range(0, len(tokens), 33):
            words, _ = words_around(PeakText(tuple(tokens[begin : begin + 33]), 0, 0.0))
            held.update({stem(word) for word in words if _tells(word)})
            pieces += 1
    return {word: times / max(1, pieces) for word, times in held.items()}


def _tells(word: str) -> bool:
    return is_nameable(word) and not is_function_word(word) and len(word) > 2


def _unlike(texts: Sequence[PeakText]) -> list[PeakText]:
    """The texts without those of one pattern: of two that share a third of their words the first is kept."""
    kept: list[tuple[PeakText, set[str]]] = []
    for text in texts:
        words = {word.lower() for word in words_around(text)[0]}
        if all(len(words & others) < ALIKE * len(words | others) for _, others in kept):
            kept.append((text, words))
    return [text for text, _ in kept]
