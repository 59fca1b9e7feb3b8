"""Graphs to look at in a browser: words for tokens, outputs that mean something, small or large."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import measure_flow
from clew.graph.info import Target
from tests.graph.random_graphs import random_graph

WORDS = (
    *("time", "river", "stone", "paper", "light", "music", "winter"),
    *("garden", "story", "mountain", "window", "letter", "silver", "bread"),
)
MODELS = itertools.count()


def worded_graph(seed: int = 0, prompt: str = "The river flows into", **shape: int | float) -> Graph:
    """A random graph over the words of a prompt; of a model of its own, so that its labels are its own."""
    words = [f" {word}" if place else word for place, word in enumerate(prompt.split(" "))]
    graph = random_graph(seed, n_positions=len(words), **shape)  # type: ignore[arg-type]
    targets = tuple(
        replace(target, text=f" {WORDS[place]}") for place, target in enumerate(graph.info.targets)
    )
    likeliest = sorted(targets, key=lambda target: -target.weight)
    token_text = {token: f" {WORDS[token % len(WORDS)]}{token}" for token in range(1000)}
    token_text |= {target.token_id: target.text for target in targets}
    return graph.with_info(
        prompt=prompt,
        tokens=tuple(words),
        targets=targets,
        predictions=tuple((target.text, target.weight) for target in likeliest),
        token_text=token_text,
        model=f"org/worded-{next(MODELS)}",
        dictionary="neurons",
    )


def with_true_influence(graph: Graph) -> Graph:
    """Stored influence as its edges make it, as every traced graph has it."""
    return replace(graph, node_influence=measure_flow(graph).influence.astype(np.float32))


def small_graph(seed: int = 0) -> Graph:
    """Some fifty nodes over four words, all of which lead to the outputs."""
    return with_true_influence(worded_graph(seed, density=1.0))


def one_feature_graph() -> Graph:
    """The least that is a graph: one token, one feature, one output."""
    graph = worded_graph(0, "Yes", n_layers=1, per_cell=1, n_targets=1, density=1.0)
    return with_true_influence(graph)


def long_graph() -> Graph:
    """A prompt of sixty words of which the first and the last nineteen matter."""
    graph = worded_graph(2, " ".join(WORDS[place % len(WORDS)] for place in range(60)), per_cell=1)
    busy = (graph.node_position == 0) | (graph.node_position > 40)
    influence = np.where(busy | (graph.node_kind == NodeKind.TARGET), 1.0, 1e-5).astype(np.float32)
    return replace(graph, node_influence=influence)


def large_graph(n_features: int = 5000, n_edges: int = 500_000, seed: int = 0) -> Graph:
    """About so many nodes and exactly so many edges, as dense towards the output as a real graph is."""
    n_layers, prompt = 26, "The quick brown fox jumps over the lazy dog and then it"
    n_positions = len(prompt.split())
    per_cell = round(n_features / (n_layers * n_positions)) - 1
    graph = worded_graph(seed, prompt, n_layers=n_layers, per_cell=per_cell, n_targets=10, density=0.2)
    return with_true_influence(_thinned(graph, n_edges, seed))


def _thinned(graph: Graph, n_edges: int, seed: int) -> Graph:
    """With edges dropped by chance until so many are left."""
    kept = np.sort(np.random.default_rng(seed).choice(graph.n_edges, size=n_edges, replace=False))
    return replace(
        graph,
        edge_offset=np.searchsorted(kept, graph.edge_offset),
        edge_source=graph.edge_source[kept],
        edge_weight=graph.edge_weight[kept],
    )


def features_of(graph: Graph) -> list[str]:
    """Ids of its features, the most influential first."""
    nodes = graph.of_kind(NodeKind.FEATURE)
    return [graph.node_id(node) for node in nodes[(-graph.node_influence[nodes]).argsort(kind="stable")]]


def hostile(graph: Graph, text: str) -> Graph:
    """The same with a text of somebody's choice wherever a text may stand."""
    targets = tuple(
        Target(text, target.token_id, target.weight, target.probability) for target in graph.info.targets
    )
    return graph.with_info(
        prompt=text,
        tokens=(text,) * len(graph.info.tokens),
        targets=targets,
        predictions=tuple((text, target.weight) for target in targets),
        token_text=dict.fromkeys(graph.info.token_text, text),
        model=f"{text[:100]}/{graph.info.model}",
        dictionary=text[:100],
    )
