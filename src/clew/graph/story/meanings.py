"""Meanings of feature nodes: the terms of their labels, of what they fire on, and of what they promote."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from clew.graph.arrays import GraphArrays
from clew.graph.info import FeatureFacts
from clew.graph.story.function_words import is_function_word
from clew.graph.summary.words import Words, stem

PLAIN_WORDS = "name word text token say list first last next part less more other promote fire"
PLAIN = frozenset(word for plain in PLAIN_WORDS.split() for word in (plain, f"{plain}s"))
"""Words of labels that say how a feature works, not what it is about."""
OF_OUTPUTS = 0.8
"""Weight of the words that a feature promotes, beside that of what a label or an index says."""
LATE = 0.5
"""Depth from which the words that a feature promotes count, as it says them to the output."""
LONGEST_LABEL = 200


NOTHING = FeatureFacts()


@dataclass(frozen=True)
class Meaning:
    """The meaning of one feature node, as far as anything is known of it."""

    label: str = ""
    """A label that a person or a language model wrote."""
    facts: FeatureFacts = NOTHING
    terms: frozenset[str] = frozenset()
    """Stems of the words with a meaning in its label, or in the words it fires on, and their context."""


def meaning_of(graph: GraphArrays, node: int) -> Meaning:
    """The label and the facts of a feature node; facts that name function words alone are none."""
    label = (graph.label(node, by_rule=False) or "")[:LONGEST_LABEL]
    facts = graph.index_facts.get(graph.feature_name(node), NOTHING)
    if label:
        return Meaning(label, facts, _terms(re.findall(r"\w+", label)))
    context = re.findall(r"\w+", facts.context)
    return Meaning("", facts, _terms([*facts.fires_on, *context, *facts.says]))


def _terms(words: Iterable[str]) -> frozenset[str]:
    telling = (word for word in words if not is_function_word(word) and word.lower() not in PLAIN)
    return frozenset(filter(None, map(stem, telling)))


def term_rows(
    graph: GraphArrays, nodes: Int64[np.ndarray, " feature"], meanings: list[Meaning], words: Words
) -> Float64[np.ndarray, "feature term"]:
    """Unit vectors of the nodes' terms, with those of the words that late ones promote; zero for no term."""
    row = np.full(graph.n_nodes, -1)
    row[nodes] = np.arange(len(nodes))
    late = graph.node_layer >= LATE * graph.n_layers
    inside = (row[words.node] >= 0) & late[words.node] & (words.worth[words.word] > 0)
    used = np.unique(words.word[inside])
    promoted = [stem(words.text[word]) for word in used.tolist()]
    numbers = {
        term: number
        for number, term in enumerate(sorted({*promoted, *(t for m in meanings for t in m.terms)}))
    }
    outputs = np.zeros((len(nodes), len(numbers)))
    column = np.array([numbers[each] for each in promoted], dtype=np.int64)
    at, word = row[words.node[inside]], words.word[inside]
    np.add.at(
        outputs,
        (at, column[np.searchsorted(used, word)]),
        words.weight[inside] * words.rarity[word] * words.worth[word],
    )
    said = np.zeros_like(outputs)
    for place, meaning in enumerate(meanings):
        said[place, [numbers[term] for term in meaning.terms]] = 1
    return unit_rows(unit_rows(said) + OF_OUTPUTS * unit_rows(outputs))


def unit_rows(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
