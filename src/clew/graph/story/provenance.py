"""Features that nothing names, by the words of the prompt that they come from."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from clew.graph.arrays import GraphArrays
from clew.graph.influence import Flow, edge_shares
from clew.graph.story.function_words import whole_word
from clew.graph.story.steps import Step
from clew.graph.topological_order import level_runs, topological_levels

WORTH = 0.3
"""Worth of a name that says where features come from, not what they mean."""
LEAST_SHARE = 0.005
"""Share of the influence from which a group is considered."""
MOST_WORDS = 12
"""The words of most influence that are considered."""
UP_TO = 2 / 3
"""Depth from which features are for the outputs, not for the words."""
MOSTLY = 0.5
"""Share of what reaches a feature from these words that comes from one of them, at least."""


def steps_by_word(
    graph: GraphArrays,
    nodes: Int64[np.ndarray, " feature"],
    flow: Flow,
    tokens: list[Int64[np.ndarray, " member"]],
) -> list[Step]:
    """Features on one of these tokens, and those at the answer that draw on one.

    `tokens` are the nodes of each, with its features of layer 0.
    """
    if not tokens or not len(nodes):
        return []
    tokens = sorted(tokens, key=lambda each: -flow.influence[each].sum())[:MOST_WORDS]
    last = len(graph.info.tokens) - 1
    positions = [int(graph.node_position[each[0]]) for each in tokens]
    words = [whole_word(graph.info.tokens, position) for position in positions]
    nodes = nodes[graph.node_layer[nodes] < UP_TO * graph.n_layers]
    reached = _reached(graph, tokens)[:, nodes]
    most_of = reached > MOSTLY * reached.sum(axis=0)
    at = graph.node_position[nodes]
    steps: list[Step] = []
    for number, (position, word) in enumerate(zip(positions, words, strict=True)):
        steps.append(Step(nodes[at == position], f'"{word}" in this context', worth=WORTH))
        if last not in positions:
            drawn = np.logical_and(at == last, most_of[number])
            steps.append(Step(nodes[drawn], f'drawn from "{word}"', worth=WORTH))
    total = float(flow.influence.sum()) or 1.0
    return [step for step in steps if flow.influence[step.nodes].sum() >= LEAST_SHARE * total]


def _reached(
    graph: GraphArrays, tokens: list[Int64[np.ndarray, " member"]]
) -> Float64[np.ndarray, "token node"]:
    """The share of each node's input that comes from each token, over all paths."""
    reached = np.zeros((len(tokens), graph.n_nodes))
    share = edge_shares(graph)
    fixed = np.zeros((len(tokens), graph.n_nodes), dtype=bool)
    for number, each in enumerate(tokens):
        fixed[number, each] = True
    reached[fixed] = 1
    held = np.zeros(graph.n_nodes, dtype=bool)
    held[np.concatenate(tokens)] = True
    for rows in level_runs(topological_levels(graph)):
        begins = graph.edge_offset[rows.start : rows.stop + 1]
        if begins[0] == begins[-1]:
            continue
        edges, counts = slice(begins[0], begins[-1]), np.diff(begins)
        row = np.repeat(np.arange(len(counts)), counts)
        source = graph.edge_source[edges]
        for number in range(len(tokens)):
            came = np.bincount(row, share[edges] * reached[number, source], len(counts))
            reached[number, rows] = np.where(held[rows], reached[number, rows], came)
    return reached
