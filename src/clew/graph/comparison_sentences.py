"""Sentences of a comparison: how much two graphs share, where they branch, and features by name."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64

from clew.graph.alignment import Pairs
from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import output_shares

BANDS = 3
"""Parts of equal height in which the shared influence is told."""
NAMED = 3
"""Features of each kind that are named."""
MEANINGFUL_LAYER = 1
"""Features of layer 0 only repeat their token."""


def compare_in_words(left: GraphArrays, right: GraphArrays, pairs: Pairs) -> tuple[str, ...]:
    """Two sentences about what is shared; `pairs` are nodes of one feature in both, at any position."""
    shared = [_members(graph, {pair[side] for pair in pairs}) for side, graph in enumerate((left, right))]
    influence = [_by_layer(left, shared[0]), _by_layer(right, shared[1])]
    if any(whole.sum() == 0 for _, whole in influence):
        return ()
    return (
        f"{_shared_by_band(influence)} {_branching(influence)}",
        f"In both: {_named(left, shared[0])}. Only left: {_named(left, ~shared[0])}. "
        f"Only right: {_named(right, ~shared[1])}.",
    )


Layers = tuple[Float64[np.ndarray, " layer"], Float64[np.ndarray, " layer"]]
"""Influence of the features of every layer: of those that are in both graphs, and of all."""


def _members(graph: GraphArrays, nodes: Iterable[int]) -> Bool[np.ndarray, " node"]:
    member = np.zeros(graph.n_nodes, dtype=bool)
    member[list(nodes)] = True
    return member & (graph.node_kind == NodeKind.FEATURE)


def _by_layer(graph: GraphArrays, shared: Bool[np.ndarray, " node"]) -> Layers:
    features, influence = graph.of_kind(NodeKind.FEATURE), output_shares(graph)
    of_both, whole = (
        np.bincount(graph.node_layer[nodes], influence[nodes], graph.n_layers)
        for nodes in (features[shared[features]], features)
    )
    return of_both, whole


def _share(influence: list[Layers], layers: slice) -> float:
    """The part of the features' influence that features of both graphs carry; the mean of the two graphs."""
    shares = [of_both[layers].sum() / (whole[layers].sum() or 1) for of_both, whole in influence]
    return float(np.mean(shares))


def _shared_by_band(influence: list[Layers]) -> str:
    n_layers = len(influence[0][0])
    edges = np.linspace(0, n_layers, min(BANDS, n_layers) + 1).astype(int).tolist()
    told = [
        f"{_share(influence, slice(begin, end)):.0%} in layers {begin}-{end - 1}"
        for begin, end in pairwise(edges)
    ]
    whole = _share(influence, slice(0, n_layers))
    return f"Features in both graphs carry {whole:.0%} of the features' influence: {', '.join(told)}."


def _branching(influence: list[Layers]) -> str:
    """The layer from which on features of one graph alone carry more than half, in every layer."""
    n_layers = len(influence[0][0])
    shares = [_share(influence, slice(layer, layer + 1)) for layer in range(n_layers)]
    mostly = [layer for layer, share in enumerate(shares) if share >= 0.5]
    if not mostly:
        return "In every layer, features of one graph alone carry most."
    if mostly[-1] == n_layers - 1:
        return "Up to the last layer, features of both carry most."
    return f"They branch at layer {mostly[-1] + 1}: from there on, features of one graph alone carry most."


def _named(graph: GraphArrays, among: Bool[np.ndarray, " node"]) -> str:
    """The most influential features with a label, by name; those of people before those made by rule."""
    influence = output_shares(graph)
    nodes = [
        node
        for node in graph.of_kind(NodeKind.FEATURE).tolist()
        if among[node] and graph.node_layer[node] >= MEANINGFUL_LAYER
    ]
    by_rule = {node: graph.label(node, by_rule=False) is None for node in nodes}
    labels: dict[str, str] = {}
    for node in sorted(nodes, key=lambda node: (by_rule[node], -influence[node])):
        label = (graph.label(node) or "").partition(";")[0]
        if label and label not in labels.values():
            labels.setdefault(graph.feature_name(node), label)
        if len(labels) == NAMED:
            break
    return "; ".join(f"{label} ({name})" for name, label in labels.items()) or "none with a label"
