"""Topics: features that promote the same words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from clew.graph.arrays import GraphArrays
from clew.graph.summary.clustering import gather
from clew.graph.summary.similarity import word_rows
from clew.graph.summary.words import Words, stem

COMPARED = 5_000
"""So many of the most influential features are compared; it bounds memory to some 500 MB."""
LEAST_SHARED = 0.1
"""Of what two features promote, so much must be the same for them to be of one topic."""
LEAST_STRENGTH = 0.006
"""Of all influence; what is weaker is not worth a group."""
SPELLED = 3
"""So many words name a topic."""
SAME_BEGINNING = 5
"""Words that begin with the same letters stand for each other: "California" and "Californians"."""


@dataclass(frozen=True)
class Topic:
    """Two features or more, wherever they are active, and the words that they share (most weighty first)."""

    members: Int64[np.ndarray, " member"]
    words: tuple[str, ...]
    strength: float
    """Their influence, less where they share few words that neither the prompt nor an output holds."""


def topics_of(
    graph: GraphArrays,
    nodes: Int64[np.ndarray, " feature"],
    influence: Float64[np.ndarray, " node"],
    words: Words,
    count: int,
) -> list[Topic]:
    """At most `count` topics among feature nodes, the strongest first; no node is in two of them.

    The feature whose neighbours have most influence together gathers them, then the next of those left.
    Topics too weak to show are left out.
    """
    nodes = nodes[np.argsort(-influence[nodes], kind="stable")][:COMPARED]
    rows = word_rows(graph, nodes, words)
    able = np.flatnonzero(rows.any(axis=1))
    nodes, rows = nodes[able], rows[able]
    found: list[Topic] = []

    def is_topic(members: np.ndarray) -> bool:
        topic = _topic(graph, nodes[members], influence, words)
        if topic is not None:
            found.append(topic)
        return topic is not None

    gather(rows @ rows.T >= LEAST_SHARED, influence[nodes], is_topic, 4 * count)
    strong = [topic for topic in found if topic.strength >= LEAST_STRENGTH * influence.sum()]
    return sorted(strong, key=lambda topic: -topic.strength)[:count]


def _topic(graph: GraphArrays, members: np.ndarray, influence: np.ndarray, words: Words) -> Topic | None:
    """None where one feature is alone, or what they share is a single word of no concern here."""
    if len({graph.feature_name(node) for node in members.tolist()}) < 2:
        return None
    spelled = shared_words(members, influence, words)
    held = {stem(text) for text in (*graph.info.tokens, *(target.text for target in graph.info.targets))}
    own = any(stem(word) in held for word in spelled)
    if not spelled or (len(spelled) == 1 and not own):
        return None
    weight = 1.0 if own else min(1.0, len(spelled) / SPELLED)
    return Topic(np.sort(members), spelled, weight * float(influence[members].sum()))


def shared_words(
    members: Int64[np.ndarray, " member"], influence: Float64[np.ndarray, " node"], words: Words
) -> tuple[str, ...]:
    """The words that at least two of the nodes promote, the most influential first."""
    inside = np.isin(words.node, members)
    word = words.word[inside]
    promoting = np.bincount(word, minlength=words.n_words)
    weight = np.bincount(word, (words.weight * influence[words.node])[inside], words.n_words) * words.worth
    weight[promoting < 2] = 0
    spelled: list[str] = []
    for number in np.argsort(-weight, kind="stable").tolist():
        text = words.text[number]
        if weight[number] <= 0 or len(spelled) == SPELLED:
            break
        if all(text.lower()[:SAME_BEGINNING] != other.lower()[:SAME_BEGINNING] for other in spelled):
            spelled.append(text)
    return tuple(spelled)
