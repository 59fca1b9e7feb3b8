"""Topics: features that promote the same words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from clew.graph.arrays import GraphArrays
from clew.graph.influence import safe_divide
from clew.graph.summary.clustering import gather
from clew.graph.summary.words import Words, stem

MOST_COMPARED = 5_000
"""The most influential features are compared; bounds memory to about 500 MB."""
LEAST_SHARED = 0.1
"""Two features belong to one topic from this cosine of their words on."""
LEAST_STRENGTH = 0.006
"""Share of all influence from which a topic is worth a group."""
NAMING_WORDS = 3
"""Words in a topic's name."""


@dataclass(frozen=True)
class Topic:
    """Two features or more, at any position, and the words that they share."""

    members: Int64[np.ndarray, " member"]
    """Node indices, ascending."""
    words: tuple[str, ...]
    """At most three, the most influential first."""


def topics_of(
    graph: GraphArrays,
    nodes: Int64[np.ndarray, " feature"],
    influence: Float64[np.ndarray, " node"],
    words: Words,
    count: int,
) -> list[Topic]:
    """At most `count` topics among feature nodes, the most influential first; no node is in two of them.

    A topic with fewer than three shared words counts only if one is a word of the prompt or of an output.
    """
    nodes = nodes[np.argsort(-influence[nodes], kind="stable")][:MOST_COMPARED]
    rows = _word_rows(graph, nodes, words)
    with_words = np.flatnonzero(rows.any(axis=1))
    nodes, rows = nodes[with_words], rows[with_words]
    texts = (*graph.info.tokens, *(target.text for target in graph.info.targets))
    own_words = {stem(text) for text in texts}

    def is_topic(members: np.ndarray) -> bool:
        if len({graph.feature(node) for node in nodes[members].tolist()}) < 2:
            return False
        naming = shared_words(nodes[members], influence, words)
        return len(naming) == NAMING_WORDS or any(stem(word) in own_words for word in naming)

    sets = [
        nodes[members]
        for members in gather(rows @ rows.T >= LEAST_SHARED, influence[nodes], is_topic, 4 * count)
    ]
    strong = [members for members in sets if influence[members].sum() >= LEAST_STRENGTH * influence.sum()]
    strong.sort(key=lambda members: -influence[members].sum())
    return [Topic(np.sort(members), shared_words(members, influence, words)) for members in strong[:count]]


def _word_rows(
    graph: GraphArrays, nodes: Int64[np.ndarray, " feature"], words: Words
) -> Float64[np.ndarray, "feature word"]:
    """The words of each feature as a vector, of unit length before words without worth are dropped."""
    row = np.full(graph.n_nodes, -1)
    row[nodes] = np.arange(len(nodes))
    inside = row[words.node] >= 0
    at, word = row[words.node[inside]], words.word[inside]
    strength = words.weight[inside] * words.rarity[word]
    length = np.sqrt(np.bincount(at, strength**2, len(nodes)))
    used = np.unique(word[words.worth[word] > 0])
    column = np.full(words.n_words, -1)
    column[used] = np.arange(len(used))
    kept = column[word] >= 0
    rows = np.zeros((len(nodes), len(used)))
    rows[at[kept], column[word[kept]]] = (strength * words.worth[word])[kept]
    return rows * safe_divide(np.ones(len(nodes)), length)[:, None]


def shared_words(
    members: Int64[np.ndarray, " member"], influence: Float64[np.ndarray, " node"], words: Words
) -> tuple[str, ...]:
    """At most three words that at least two of the nodes promote, the most influential first."""
    inside = np.isin(words.node, members)
    word = words.word[inside]
    promoting = np.bincount(word, minlength=words.n_words)
    weight = np.bincount(word, (words.weight * influence[words.node])[inside], words.n_words) * words.worth
    weight[promoting < 2] = 0
    best = np.argsort(-weight, kind="stable")[:NAMING_WORDS]
    return tuple(words.text[number] for number in best.tolist() if weight[number] > 0)
