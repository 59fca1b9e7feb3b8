"""The swap test: give a group of features the values that it has with another word in the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clew.dictionary.protocols import Dictionary
from clew.errors import ClewError
from clew.feature import FeatureAt
from clew.graph.graph import Graph, NodeKind
from clew.intervention.feature_names import features_at
from clew.intervention.graph_compatibility import check_graph_fits
from clew.intervention.intervention import Intervention
from clew.intervention.patching import resolve_patches
from clew.intervention.result import InterventionResult
from clew.intervention.run_intervention import intervene
from clew.intervention.settings import InterveneCall, SwapCall
from clew.intervention.sibling_words import (
    Sibling,
    content_words,
    find_siblings,
    named_sibling,
    with_word,
)
from clew.model.language_model import LanguageModel
from clew.model.prompt import sink_option
from clew.token_text import quote

WORDS_TRIED = 4
"""The most influential words for which words of their kind are sought."""
NEAR = 0.95
"""The share of the largest probability that counts as near it."""


@dataclass(frozen=True, eq=False)
class SwapTest:
    """The answers of a model whose features of one word have their values with another word."""

    group: str
    """The name of the swapped features: the word, or the group's own."""
    features: tuple[FeatureAt, ...]
    word: str
    positions: tuple[int, ...]
    """The positions of the word in the prompt."""
    sibling: Sibling
    """The word whose values are taken."""
    siblings: tuple[Sibling, ...]
    """All words that may be taken, this one first: those that the model found, or the one that was named."""
    prompt: tuple[int, ...]
    """The other prompt's token ids."""
    results: tuple[InterventionResult, ...]
    """One for each strength."""

    @property
    def shown(self) -> int:
        """The place of the least strength at which the other prompt's answer comes near its most."""
        after = [self.probability_after(place) for place in range(len(self.results))]
        near = [place for place, each in enumerate(after) if each >= NEAR * max(after)]
        return min(near, key=lambda place: abs(self.results[place].strength))

    @property
    def result(self) -> InterventionResult:
        """The result at the strength that says most."""
        return self.results[self.shown]

    @property
    def probability_before(self) -> float:
        """The probability of the other prompt's answer on the unchanged prompt."""
        return float(self.result.logits_before[-1].softmax(-1)[self.sibling.answer_id])

    def probability_after(self, place: int) -> float:
        """The probability of the other prompt's answer at one strength."""
        return float(self.results[place].logits_after[-1].softmax(-1)[self.sibling.answer_id])

    def __repr__(self) -> str:
        result = self.result
        own = max(result.top, key=lambda token: token.probability_before)
        return (
            f"SwapTest({len(self.features)} features at {quote(self.group)} with the values of "
            f"{quote(self.sibling.word)}, strength {result.strength:g}: {quote(own.text)} "
            f"{own.probability_before:.2f} -> {own.probability_after:.2f}, {quote(self.sibling.answer)} "
            f"{self.probability_before:.2f} -> {self.probability_after(self.shown):.2f})"
        )


def swap_test(model: LanguageModel, dictionary: Dictionary, graph: Graph, call: SwapCall) -> SwapTest:
    """Swap a group of a graph for its values on the same prompt with another word.

    Raises `ClewError` for a graph of another model or dictionary, a group without features, and a word that
    is not one token.
    """
    ids = graph.token_ids.tolist()
    named = None if call.group is None else features_at(call.group, graph, range(len(ids)))
    words = content_words(graph, [each.position for each in named]) if named else []
    words = words or content_words(graph)
    if not words:
        raise ClewError(
            "There is no word to swap in this prompt, only function words and signs; change features by hand "
            "(Test on the page, Model.intervene in Python)."
        )
    check_graph_fits(model, dictionary, graph)
    positions, siblings = _chosen(model, dictionary, graph, words, call.word)
    sibling = siblings[0]
    features = named if named is not None else features_of_word(graph, positions)
    if not features:
        word = graph.info.tokens[positions[0]]
        raise ClewError(f"The graph has no features at {quote(word)}; name a group of features.")
    prompt = with_word(ids, positions, sibling.token_id)
    changes = swaps(features, prompt)
    patched = resolve_patches(model, dictionary, changes, len(ids), sink=sink_option(graph.sink))
    results = intervene(
        model, dictionary, ids, InterveneCall(patched, strengths=tuple(call.strengths), graph=graph)
    )
    return SwapTest(
        group=call.group if isinstance(call.group, str) else graph.info.tokens[positions[0]],
        features=tuple(features),
        word=graph.info.tokens[positions[0]],
        positions=tuple(positions),
        sibling=sibling,
        siblings=tuple(siblings),
        prompt=tuple(prompt),
        results=results,
    )


def _chosen(
    model: LanguageModel,
    dictionary: Dictionary,
    graph: Graph,
    words: Sequence[Sequence[int]],
    word: str | None,
) -> tuple[Sequence[int], list[Sibling]]:
    """The positions of the word to swap, and words to swap it for, the best one first."""
    ids = graph.token_ids.tolist()
    if word is not None:
        positions, sibling = named_sibling(model, ids, words, word)
        return positions, [sibling]
    for positions in words[:WORDS_TRIED]:
        if siblings := find_siblings(model, dictionary, ids, positions):
            return positions, siblings
    raise ClewError(
        f"The model finds no word that is like {quote(graph.info.tokens[words[0][0]])} and changes the "
        "answer; name one (word= in Python)."
    )


def swaps(features: Sequence[FeatureAt], prompt: Sequence[int]) -> list[Intervention]:
    """One patch for each position, from the same position of another prompt of equal length."""
    by_position: dict[int, list[FeatureAt]] = {}
    for feature in features:
        by_position.setdefault(feature.position, []).append(feature)
    return [
        Intervention([each.feature for each in some], position, "patch", list(prompt))
        for position, some in sorted(by_position.items())
    ]


def features_of_word(graph: Graph, positions: Sequence[int]) -> list[FeatureAt]:
    """The features that a graph has at a word.

    Of the prompt's last word only the lower half of the layers: above, the model says its answer there.
    """
    last = len(graph.token_ids) - 1
    at = [graph.feature_at(node) for node in graph.of_kind(NodeKind.FEATURE).tolist()]
    return [
        each
        for each in at
        if each.position in positions
        and each.index >= 0
        and (each.position != last or 2 * each.layer < graph.n_layers)
    ]
