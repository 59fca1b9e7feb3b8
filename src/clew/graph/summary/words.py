"""Words that features promote, or are labelled with: their worth for naming, and their spelling."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import safe_divide

HALF_RANK = 5.0
"""The sixth token that a feature promotes counts half as much as the first."""
SHORTEST = 3
"""Letters of the shortest word in a name."""
LONGEST = 24
"""Letters of the longest word in a name."""
LONGEST_LABEL = 200
"""Letters of a label that are read."""
COMMONEST = 0.01
"""Largest share of the features that promote a naming word ("the" and "and" name nothing).

It is twice as large for words of the prompt or of an output."""
FEW = 8
"""A word that so many features or fewer promote is never too common."""


@dataclass(frozen=True)
class Words:
    """Pairs of a node and a word that it promotes, one entry for each pair.

    A graph without output tokens has the words of its labels instead (`from_labels`). A word is a token
    without spaces, in lower case and without a plural's ending. `weight` falls with the token's rank among
    those that the node promotes.
    """

    node: Int64[np.ndarray, " entry"] = field(default_factory=lambda: np.zeros(0, np.int64))
    word: Int64[np.ndarray, " entry"] = field(default_factory=lambda: np.zeros(0, np.int64))
    weight: Float64[np.ndarray, " entry"] = field(default_factory=lambda: np.zeros(0))
    text: tuple[str, ...] = ()
    """The strongest spelling of each word."""
    worth: Float64[np.ndarray, " word"] = field(default_factory=lambda: np.zeros(0))
    """The value of each word for naming features, from 0 (none) to 1.

    It is `(up - down) / (up + down)` for `up` features that promote the word and `down` that demote it: rare
    fragments are at either end of many features and say nothing about any. Common words, fragments, and words
    of one feature alone have none.
    """
    rarity: Float64[np.ndarray, " word"] = field(default_factory=lambda: np.zeros(0))
    """`log(features / up)`."""
    from_labels: bool = False

    @property
    def n_words(self) -> int:
        return len(self.text)


def words_of(graph: GraphArrays) -> Words:
    """The words of all features that have any."""
    described = graph.output_tokens
    if described is None or not len(described.node):
        return _words_of_labels(graph)
    half = described.token.shape[1] // 2
    negative = (graph.node_activation[described.node] < 0)[:, None]
    up = np.where(negative, described.token[:, half:], described.token[:, :half])
    down = np.where(negative, described.token[:, :half], described.token[:, half:])
    distinct, which = np.unique(np.stack([up, down]), return_inverse=True)
    which = which.reshape(2, *up.shape)
    texts = [graph.info.token_text.get(number, "") for number in distinct.tolist()]
    stems = [stem(text) for text in texts]
    numbers = {word: number for number, word in enumerate(sorted({word for word in stems if word}))}
    number_of = np.array([numbers.get(word, -1) for word in stems], dtype=np.int64)
    ranked = np.tile(1 / (1 + np.arange(half) / HALF_RANK), (len(up), 1))
    spelled = _spellings(numbers, texts, stems, np.bincount(which[0].ravel(), ranked.ravel(), len(distinct)))
    node, word, weight = _each_pair_once(described.node, number_of[which[0]], ranked)
    worth, rarity = _worth(graph, described.node, number_of[which[0]], number_of[which[1]], len(numbers))
    begins = {word for text, word in zip(texts, stems, strict=True) if begins_word(text)}
    worth[~_may_name(graph, numbers, rarity, begins)] = 0
    return Words(node, word, weight, spelled, worth, rarity)


def _words_of_labels(graph: GraphArrays) -> Words:
    """The words of all labels; each counts the same, and none is demoted."""
    notes = graph.annotations
    if not notes.labels and not notes.feature_labels and not graph.index_labels:
        return Words()
    pairs: list[tuple[int, str]] = []
    for node in graph.of_kind(NodeKind.FEATURE).tolist():
        pairs += [
            (node, text)
            for text in re.findall(r"\w+", (graph.label(node) or "")[:LONGEST_LABEL])
            if stem(text)
        ]
    if not pairs:
        return Words()
    texts = sorted({text for _, text in pairs})
    stems = [stem(text) for text in texts]
    numbers = {word: number for number, word in enumerate(sorted(set(stems)))}
    which = {text: number for number, text in enumerate(texts)}
    given = np.array([which[text] for _, text in pairs])
    spelled = _spellings(numbers, texts, stems, np.bincount(given, minlength=len(texts)).astype(np.float64))
    described = np.array([node for node, _ in pairs], dtype=np.int64)
    word = np.array([numbers[stem(text)] for _, text in pairs], dtype=np.int64)[:, None]
    nothing = np.full((len(pairs), 1), -1)
    worth, rarity = _worth(graph, described, word, nothing, len(numbers))
    worth[~_may_name(graph, numbers, rarity, set(numbers))] = 0
    node, number, weight = _each_pair_once(described, word, np.ones((len(pairs), 1)))
    return Words(node, number, weight, spelled, worth, rarity, from_labels=True)


def _may_name(
    graph: GraphArrays, numbers: dict[str, int], rarity: np.ndarray, begins: set[str]
) -> np.ndarray:
    """A mask of the words that may stand in a name: whole words that are not too common."""
    own_texts = [target.text for target in graph.info.targets] + list(graph.info.tokens)
    named = set(map(stem, own_texts))
    spread, few = np.exp(-rarity), FEW / max(1, len(graph.of_kind(NodeKind.FEATURE)))
    allowed = np.zeros(len(numbers), dtype=bool)
    for text, number in numbers.items():
        says_something = spread[number] <= max(COMMONEST * (2 if text in named else 1), few)
        allowed[number] = text in begins and is_nameable(text) and says_something
    return allowed


def _worth(
    graph: GraphArrays, node: np.ndarray, up: np.ndarray, down: np.ndarray, n_words: int
) -> tuple[np.ndarray, np.ndarray]:
    """Worth and rarity of each word; a feature counts once, whatever the number of its positions."""
    place = graph.node_layer[node].astype(np.int64), graph.node_feature[node]
    _, feature = np.unique(np.stack(place), axis=1, return_inverse=True)
    feature = feature.reshape(-1)
    counts = []
    for words in (up, down):
        pairs = np.unique(feature[:, None] * (n_words + 1) + words + 1)
        counts.append(np.bincount(pairs % (n_words + 1), minlength=n_words + 1)[1:].astype(np.float64))
    promoted, demoted = counts
    worth = np.maximum(safe_divide(promoted - demoted, promoted + demoted), 0) * (promoted > 1)
    features = graph.of_kind(NodeKind.FEATURE)
    every = np.unique(np.stack([graph.node_layer[features], graph.node_feature[features]]), axis=1)
    return worth, np.log(every.shape[1] / np.maximum(promoted, 1))


def _each_pair_once(
    node: np.ndarray, word: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each pair of node and word once, with the weight of its strongest spelling."""
    nodes = np.repeat(node.astype(np.int64), word.shape[1])[word.ravel() >= 0]
    weights, words = weight.ravel()[word.ravel() >= 0], word.ravel()[word.ravel() >= 0]
    key = nodes * (int(words.max(initial=0)) + 1) + words
    order = np.lexsort([-weights, key])
    first = order[np.diff(key[order], prepend=-1) != 0]
    return nodes[first], words[first], weights[first]


def _spellings(
    numbers: dict[str, int], texts: list[str], stems: list[str], weight: np.ndarray
) -> tuple[str, ...]:
    """The spelling of each word that weighs most, without spaces."""
    best: dict[str, tuple[float, str]] = {}
    for text, word, heavy in zip(texts, stems, weight.tolist(), strict=True):
        if word and (word not in best or heavy > best[word][0]):
            best[word] = heavy, text.strip()
    return tuple(best[word][1] for word in numbers)


def stem(text: str) -> str:
    """A token without spaces, capitals and a plural's ending; empty where it holds no letter or digit."""
    word = text.strip().lower()
    if not any(character.isalnum() for character in word):
        return ""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > SHORTEST and word.endswith("s") and not word.endswith("ss") else word


def is_nameable(text: str) -> bool:
    """True for a text that looks like a word: letters only, neither too few nor too many."""
    return text.isalpha() and len(text) <= LONGEST and (len(text) >= SHORTEST or not _is_spaced(text))


def is_fragment(text: str) -> bool:
    """True for a token that begins a word but is none: " strugg", as the default model reads it."""
    return text.strip().lower() in fragments()


@cache
def fragments() -> frozenset[str]:
    """Beginnings of words among the default model's tokens, in lower case (`tools/names/fragments.py`)."""
    return frozenset((Path(__file__).parent / "fragments.txt").read_text(encoding="utf-8").lower().split())


def begins_word(text: str) -> bool:
    """True for a token that can begin a word: it begins with a space, if its script has spaces."""
    return text[:1].isspace() or not _is_spaced(text.strip())


def script(text: str) -> str:
    """The script of a word's first letter: `LATIN`, `CJK`; empty where there is none."""
    letter = next((character for character in text if character.isalpha()), "")
    return unicodedata.name(letter, "").partition(" ")[0] if letter else ""


def _is_spaced(text: str) -> bool:
    """True if the text's script puts spaces between words, as most do."""
    return script(text) not in ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
