"""How alike two features are in a graph: what they promote, what they read and write, where they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from clew.graph.arrays import GraphArrays
from clew.graph.influence import Flow, safe_divide
from clew.graph.summary.words import Words

COORDINATES = 384
"""So many of the most influential nodes stand for all that a feature reads from and writes to."""


@dataclass(frozen=True)
class SimilarityWeights:
    """How much each kind of likeness counts; together they make 1."""

    words: float = 0.3
    """Output tokens in common, rare ones more."""
    edges: float = 0.2
    """The same inputs and outputs, by the cosine of what flows along their signed edges."""
    position: float = 0.3
    """The same token, or a neighbouring one."""
    layer: float = 0.15
    feature: float = 0.05
    """The same feature, wherever it is active."""


@dataclass(frozen=True)
class Traits:
    """What features are compared by; `inputs` and `outputs` have rows of length 1 or 0, `words` at most 1."""

    words: Float64[np.ndarray, "feature word"]
    inputs: Float64[np.ndarray, "feature coordinate"]
    outputs: Float64[np.ndarray, "feature coordinate"]
    position: Float64[np.ndarray, " feature"]
    depth: Float64[np.ndarray, " feature"]
    """Layer over number of layers."""
    feature: Int64[np.ndarray, " feature"]
    """A number for each feature of the dictionary."""


def traits_of(graph: GraphArrays, nodes: Int64[np.ndarray, " feature"], flow: Flow, words: Words) -> Traits:
    """What feature nodes are compared by."""
    by_edges = profiles(graph, nodes, flow)
    layer, feature = graph.node_layer[nodes], graph.node_feature[nodes]
    _, same = np.unique(np.stack([layer, feature]), axis=1, return_inverse=True)
    return Traits(
        words=word_rows(graph, nodes, words),
        inputs=by_edges[0],
        outputs=by_edges[1],
        position=graph.node_position[nodes].astype(np.float64),
        depth=layer / max(1, graph.n_layers),
        feature=same.reshape(-1).astype(np.int64),
    )


def likeness(
    traits: Traits, rows: slice, columns: slice, weights: SimilarityWeights | None = None
) -> Float64[np.ndarray, "row column"]:
    """How alike features are: 1 for one and the same, 0 for nothing in common, below for opposites."""
    weights = weights or SimilarityWeights()
    found = weights.words * (traits.words[rows] @ traits.words[columns].T)
    found += weights.edges / 2 * (traits.inputs[rows] @ traits.inputs[columns].T)
    found += weights.edges / 2 * (traits.outputs[rows] @ traits.outputs[columns].T)
    apart = np.abs(traits.position[rows, None] - traits.position[None, columns])
    found += weights.position * np.exp(-2 * apart)
    found += weights.layer * np.exp(-4 * np.abs(traits.depth[rows, None] - traits.depth[None, columns]))
    found += weights.feature * (traits.feature[rows, None] == traits.feature[None, columns])
    return found


def profiles(
    graph: GraphArrays, nodes: Int64[np.ndarray, " feature"], flow: Flow
) -> tuple[Float64[np.ndarray, "feature coordinate"], Float64[np.ndarray, "feature coordinate"]]:
    """Of each feature the signed shares of its input, and of what flows out of it, as unit vectors.

    A sign says whether an edge makes its target more active than it is, whatever the sign of that.
    """
    strongest = np.argsort(-(flow.influence + flow.target_weight), kind="stable")[:COORDINATES]
    coordinate = np.full(graph.n_nodes, -1)
    coordinate[strongest] = np.arange(len(strongest))
    row = np.full(graph.n_nodes, -1)
    row[nodes] = np.arange(len(nodes))
    target, source = graph.edge_target, graph.edge_source
    carried = graph.edge_weight * np.where(graph.node_activation < 0, -1, 1)[target]
    carried = carried * flow.per_weight[target]
    shape = len(nodes), len(strongest)
    found = []
    for this, other in ((row[target], coordinate[source]), (row[source], coordinate[target])):
        inside = np.flatnonzero((this >= 0) & (other >= 0))
        cell = this[inside] * shape[1] + other[inside]
        found.append(_unit(np.bincount(cell, carried[inside], shape[0] * shape[1]).reshape(shape)))
    return found[0], found[1]


def word_rows(
    graph: GraphArrays, nodes: Int64[np.ndarray, " feature"], words: Words
) -> Float64[np.ndarray, "feature word"]:
    """The words that say something about each feature; length 1 if all that it promotes does, 0 if none."""
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
    found = np.zeros((len(nodes), len(used)))
    found[at[kept], column[word[kept]]] = (strength * words.worth[word])[kept]
    return found * safe_divide(np.ones(len(nodes)), length)[:, None]


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.sqrt((rows**2).sum(axis=1))
    return rows * safe_divide(np.ones(len(rows)), length)[:, None]
