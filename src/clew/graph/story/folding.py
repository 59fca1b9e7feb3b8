"""Features that a story folds by their statistics: near-sinks, and those that fire on most texts."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import Flow
from clew.graph.story.function_words import function_words_of, is_function_word, whole_word

DENSE = 0.1
"""Share of all tokens above which a feature is dense."""
TIMES = 3.0
"""A function word is a near-sink from so many times the share of the other function words."""


def dense_features(graph: GraphArrays) -> Bool[np.ndarray, " node"]:
    """Features that an index saw on more than a tenth of all tokens."""
    return _of_features(graph, {name for name, facts in graph.index_facts.items() if facts.frequency > DENSE})


def near_sink_positions(graph: GraphArrays, flow: Flow) -> set[int]:
    """Positions of words without a meaning that soak up influence.

    The first one behind the sink always does, as all later words attend to it. Another does where its
    features carry three times the mean of the prompt's other function words.
    """
    begin = int(graph.sink is not None)
    known = function_words_of(graph.info.tokens)
    positions = [
        position
        for position in range(begin, len(graph.info.tokens) - 1)
        if is_function_word(whole_word(graph.info.tokens, position), known)
    ]
    share = np.bincount(
        graph.node_position,
        np.where(graph.node_kind == NodeKind.FEATURE, flow.influence, 0),
        len(graph.info.tokens),
    )
    found = {position for position in positions if position == begin}
    others = [position for position in positions if position != begin]
    for position in others:
        rest = [share[other] for other in others if other != position]
        if len(rest) > 1 and share[position] > TIMES * float(np.mean(rest)):
            found.add(position)
    return found


def near_sink_features(graph: GraphArrays, flow: Flow) -> Bool[np.ndarray, " node"]:
    """Features at near-sinks, and those that an index saw on the first token of texts, whatever it was."""
    at_start = _of_features(graph, {name for name, facts in graph.index_facts.items() if facts.at_start})
    begin = int(graph.sink is not None)
    at_start &= graph.node_position == begin
    there = np.isin(graph.node_position, list(near_sink_positions(graph, flow)))
    return (graph.node_kind == NodeKind.FEATURE) & (there | at_start)


def _of_features(graph: GraphArrays, names: set[str]) -> Bool[np.ndarray, " node"]:
    """A mask of the nodes of the named features."""
    found = np.zeros(graph.n_nodes, dtype=bool)
    if names:
        for node in graph.of_kind(NodeKind.FEATURE).tolist():
            found[node] = graph.feature_name(node) in names
    return found
