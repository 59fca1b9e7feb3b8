"""Division of a graph's nodes into the boxes of its story."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Int64

from clew.graph.arrays import GraphArrays, NodeKind, quote
from clew.graph.influence import Flow
from clew.graph.story.folding import dense_features, near_sink_features
from clew.graph.story.function_words import function_words_of, is_function_word, whole_word
from clew.graph.story.provenance import steps_by_word
from clew.graph.story.steps import Step, best_of, described, steps_among
from clew.graph.summary.grouping import own_groups
from clew.graph.summary.names import target_text
from clew.graph.summary.words import Words, words_of

BoxKind: TypeAlias = Literal["token", "step", "unnamed", "near_sink", "dense", "error", "output"]
MOST_STEPS = 8
"""Steps of a story, at most, if a person made no more groups."""
BANDS = ((1 / 3, "early layers"), (2 / 3, "middle layers"), (np.inf, "late layers"))
"""The bands of layers whose unnamed features share a box, by the share of the layers below their end."""


@dataclass(frozen=True)
class Members:
    """The nodes of one box, and the parts of its name."""

    nodes: Int64[np.ndarray, " member"]
    kind: BoxKind
    name: str
    folded: bool = False
    words: tuple[str, ...] = ()
    fires_on: tuple[str, ...] = ()
    context: str = ""
    label: str = ""
    """The label of a step that is named by one."""
    own: bool = False


def _own(name: str, step: Step, nodes: np.ndarray) -> Members:
    return Members(
        nodes,
        "step",
        name,
        words=step.words,
        fires_on=step.fires_on,
        context=step.context,
        label=step.label if step.label != name else "",
        own=True,
    )


def divide(graph: GraphArrays, flow: Flow) -> list[Members]:
    """Every node in one box: tokens, near-sinks, steps from low to high, what is folded, outputs."""
    free = np.ones(graph.n_nodes, dtype=bool)
    own: list[Members] = []
    words = words_of(graph)
    for group in own_groups(graph):
        free[group.nodes] = False
        own.append(_own(group.own_name or "", described(graph, group.nodes, flow, words), group.nodes))
    known = function_words_of(graph.info.tokens)
    tokens = [
        _token(graph, free, node, known)
        for node in np.flatnonzero(free & (graph.node_kind == NodeKind.TOKEN)).tolist()
    ]
    for token in tokens:
        free[token.nodes] = False
    sinks = np.flatnonzero(free & near_sink_features(graph, flow))
    free[sinks] = False
    dense = np.flatnonzero(free & dense_features(graph))
    free[dense] = False
    steps = _steps(graph, flow, free, words, [token.nodes for token in tokens if not token.folded], len(own))
    for step in steps:
        free[step.nodes] = False
    features = np.flatnonzero(free & (graph.node_kind == NodeKind.FEATURE))
    errors = np.flatnonzero(free & (graph.node_kind == NodeKind.ERROR))
    middle = [*own, *steps, *_bands(graph, features)]
    middle.sort(key=lambda group: float(graph.node_layer[group.nodes].mean()))
    if len(dense):
        middle.append(Members(dense, "dense", "on more than a tenth of all tokens"))
    if len(errors):
        middle.append(Members(errors, "error", "not explained"))
    outputs = np.flatnonzero(free & (graph.node_kind == NodeKind.TARGET))
    outputs = outputs[np.argsort(-graph.target_weight[outputs], kind="stable")]
    near = [Members(sinks, "near_sink", f"near-sink: {_listed(graph, sinks)}")] if len(sinks) else []
    return [*tokens, *near, *middle, *(_output(graph, int(node)) for node in outputs)]


def _token(graph: GraphArrays, free: np.ndarray, node: int, known: Collection[str]) -> Members:
    """A token's node with the features of layer 0 at its position; folded if its word is a function word."""
    position = int(graph.node_position[node])
    below = free & (graph.node_kind == NodeKind.FEATURE) & (graph.node_layer == 0)
    nodes = np.union1d([node], np.flatnonzero(below & (graph.node_position == position)))
    text, word = graph.info.tokens[position], whole_word(graph.info.tokens, position)
    is_sink = position == 0 and graph.sink is not None
    return Members(nodes, "token", quote(text), folded=is_sink or is_function_word(word, known))


def _output(graph: GraphArrays, node: int) -> Members:
    return Members(np.array([node]), "output", target_text(graph.target(node)))


def _steps(
    graph: GraphArrays, flow: Flow, free: np.ndarray, words: Words, tokens: list[np.ndarray], taken: int
) -> list[Members]:
    """Steps by meaning, and by the word that other features come from."""
    features = np.flatnonzero(free & (graph.node_kind == NodeKind.FEATURE))
    most = max(0, MOST_STEPS - taken)
    named = steps_among(graph, features, flow, words, most)
    rest = np.setdiff1d(features, np.concatenate([step.nodes for step in named])) if named else features
    named = best_of(graph, [*named, *steps_by_word(graph, rest, flow, tokens)], most)
    return [
        Members(
            step.nodes,
            "step",
            step.name,
            words=step.words,
            fires_on=step.fires_on,
            context=step.context,
            label=step.label,
        )
        for step in named
    ]


def _listed(graph: GraphArrays, nodes: np.ndarray) -> str:
    """The tokens of some nodes, each text once."""
    texts = dict.fromkeys(graph.info.tokens[position] for position in np.unique(graph.node_position[nodes]))
    return ", ".join(map(quote, texts))


def _bands(graph: GraphArrays, features: np.ndarray) -> list[Members]:
    """The features without a name, in one box for each band of layers."""
    depth = graph.node_layer[features] / max(1, graph.n_layers - 1)
    band = np.searchsorted([end for end, _ in BANDS], depth)
    boxes = [Members(features[band == number], "unnamed", name) for number, (_, name) in enumerate(BANDS)]
    return [replace(box, name=f"unnamed, {box.name}") for box in boxes if len(box.nodes)]
