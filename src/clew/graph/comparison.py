"""Comparison of two graphs: their alignment, nodes and edges in both, and nodes in one only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from clew.graph.alignment import (
    Pairs,
    corresponding_positions,
    features_elsewhere,
    matched_nodes,
    other_weights,
    same_features,
)
from clew.graph.arrays import GraphArrays, check_is_graph
from clew.graph.comparison_sentences import compare_in_words
from clew.graph.influence import output_shares
from clew.graph.info import GraphInfo
from clew.graph.info_json import plain
from clew.sink import quoted

SHOWN_EDGES = 200
"""Edges that a comparison lists by default."""


@dataclass(frozen=True)
class NodePair:
    """A node that is in both graphs, by its index in each."""

    left: int
    right: int
    influence: tuple[float, float]
    """Share of the outputs that flows through it, left and right."""
    activation: tuple[float | None, float | None]
    """Activation of a feature or weight of a target, left and right; None for other nodes."""


@dataclass(frozen=True)
class EdgePair:
    """An edge that is in both graphs."""

    source: tuple[int, int]
    """Node indices, left and right."""
    target: tuple[int, int]
    weight: tuple[float, float]

    @property
    def change(self) -> float:
        """Weight on the right less weight on the left."""
        return self.weight[1] - self.weight[0]


@dataclass(frozen=True)
class TargetDifference:
    """The difference between two next tokens, in each prompt."""

    first: str
    """The likeliest token of the left graph."""
    second: str
    """The likeliest token of the right graph, or the second likeliest if that is the first again."""
    logits: tuple[float, float]
    """Logit of the first minus logit of the second, in nats, left and right."""


@dataclass(frozen=True)
class Comparison:
    """Nodes and edges of two graphs; node numbers are indices in their own graph."""

    positions: Pairs
    """Aligned positions of the two prompts, ascending."""
    same_features: bool
    """True if model and dictionary are the same, with the same weights; otherwise no feature corresponds."""
    nodes: tuple[NodePair, ...]
    """Nodes in both, the strongest change of influence first."""
    elsewhere: tuple[NodePair, ...]
    """Features in both, elsewhere in the prompts; each with its strongest node on the other side."""
    only_left: tuple[int, ...]
    """Nodes of the left graph only, most influential first; a feature among them is nowhere on the right."""
    only_right: tuple[int, ...]
    edges: tuple[EdgePair, ...]
    """Edges in both, the strongest change of weight first."""
    n_edges: int
    """Number of edges in both, listed or not."""
    edges_only_left: int
    """Number of edges of the left graph only, between nodes that are in both."""
    edges_only_right: int
    difference: TargetDifference | None
    """None unless both graphs hold the probabilities of both tokens."""
    node_ids: tuple[tuple[str, ...], tuple[str, ...]]
    """Ids of all nodes, left and right."""
    note: str = ""
    """A sentence about prompts with different first tokens; empty for the same."""
    sentences: tuple[str, ...] = ()
    """The share that is in both, layer by layer, and the strongest features of both and of one by name."""

    def as_json(self) -> dict[str, Any]:
        """The comparison as dictionaries and lists; nodes are given by their ids."""
        left, right = self.node_ids
        return {
            "positions": [list(pair) for pair in self.positions],
            "same_features": self.same_features,
            "nodes": [
                plain(vars(pair)) | {"left": left[pair.left], "right": right[pair.right]}
                for pair in self.nodes
            ],
            "elsewhere": [
                plain(vars(pair)) | {"left": left[pair.left], "right": right[pair.right]}
                for pair in self.elsewhere
            ],
            "only_left": [left[node] for node in self.only_left],
            "only_right": [right[node] for node in self.only_right],
            "edges": [
                {
                    "source": [left[edge.source[0]], right[edge.source[1]]],
                    "target": [left[edge.target[0]], right[edge.target[1]]],
                    "weight": list(edge.weight),
                }
                for edge in self.edges
            ],
            "n_edges": self.n_edges,
            "edges_only_left": self.edges_only_left,
            "edges_only_right": self.edges_only_right,
            "difference": self.difference and plain(vars(self.difference)),
            "note": self.note,
            "sentences": list(self.sentences),
        }

    def __repr__(self) -> str:
        return (
            f"Comparison({len(self.nodes):,} nodes in both, {len(self.only_left):,} only left, "
            f"{len(self.only_right):,} only right; {self.n_edges:,} edges in both)"
            + (f"\n{self.note}" if self.note else "")
        )


def compare(left: GraphArrays, right: GraphArrays, edges: int = SHOWN_EDGES) -> Comparison:
    """The comparison of two graphs, with the `edges` edges that changed most; see `matched_nodes`."""
    check_is_graph(right)
    positions = corresponding_positions(left, right)
    matched = matched_nodes(left, right, positions)
    elsewhere = features_elsewhere(left, right, matched)
    left_of, right_of = np.array(matched, dtype=np.int64).reshape(-1, 2).T
    in_both = _edges_in_both(left, right, left_of, right_of)
    return Comparison(
        positions=positions,
        same_features=same_features(left, right),
        nodes=_node_pairs(left, right, matched),
        elsewhere=_node_pairs(left, right, elsewhere),
        only_left=_others(left, [*left_of, *(one for one, _ in elsewhere)]),
        only_right=_others(right, [*right_of, *(other for _, other in elsewhere)]),
        edges=tuple(_edge_pair(left, right, *pair) for pair in _strongest(left, right, *in_both, edges)),
        n_edges=len(in_both[0]),
        edges_only_left=_n_between(left, left_of) - len(in_both[0]),
        edges_only_right=_n_between(right, right_of) - len(in_both[0]),
        difference=_difference(left, right),
        node_ids=(tuple(left.node_ids), tuple(right.node_ids)),
        sentences=compare_in_words(left, right, (*matched, *elsewhere)) if same_features(left, right) else (),
        note=" ".join(filter(None, [_weights_note(left, right), _sink_note(left, right)])),
    )


def _weights_note(left: GraphArrays, right: GraphArrays) -> str:
    """A sentence about graphs of one model and dictionary with different weights."""
    one, other = left.info, right.info
    what = other_weights(left, right)
    if not what or (one.model, one.dictionary) != (other.model, other.dictionary):
        return ""
    return f"The graphs were traced with different weights of {what}, so their features do not correspond."


def _sink_note(left: GraphArrays, right: GraphArrays) -> str:
    """A sentence about graphs of one model whose prompts have different first tokens."""
    one, other = left.sink, right.sink
    if left.info.model != right.info.model or (one and one.token_id) == (other and other.token_id):
        return ""
    return (
        f"The left prompt begins with {quoted(one and one.text)} and the right one with "
        f"{quoted(other and other.text)}, so activations and edges differ for this reason too. Positions "
        "are compared behind it; trace one of the prompts again with the same --sink."
    )


def _node_pairs(left: GraphArrays, right: GraphArrays, matched: Pairs) -> tuple[NodePair, ...]:
    influence = output_shares(left), output_shares(right)
    pairs = [
        NodePair(
            one,
            other,
            (float(influence[0][one]), float(influence[1][other])),
            (_finite(left.node_activation[one]), _finite(right.node_activation[other])),
        )
        for one, other in matched
    ]
    return tuple(sorted(pairs, key=lambda pair: -abs(pair.influence[1] - pair.influence[0])))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _others(graph: GraphArrays, matched: list[int]) -> tuple[int, ...]:
    others = np.setdiff1d(np.arange(graph.n_nodes), matched)
    return tuple(others[np.argsort(-output_shares(graph)[others], kind="stable")].tolist())


def _edges_in_both(
    left: GraphArrays, right: GraphArrays, left_of: np.ndarray, right_of: np.ndarray
) -> tuple[Int64[np.ndarray, " both"], Int64[np.ndarray, " both"]]:
    """Indices, in each graph, of the edges that connect the same two nodes."""
    to_right = np.full(left.n_nodes, -1)
    to_right[left_of] = right_of
    source, target = to_right[left.edge_source], to_right[left.edge_target]
    inside = np.flatnonzero((source >= 0) & (target >= 0))
    _, one, other = np.intersect1d(
        target[inside] * right.n_nodes + source[inside],
        right.edge_target.astype(np.int64) * right.n_nodes + right.edge_source,
        assume_unique=True,
        return_indices=True,
    )
    return inside[one], other


def _n_between(graph: GraphArrays, nodes: np.ndarray) -> int:
    inside = np.zeros(graph.n_nodes, dtype=bool)
    inside[nodes] = True
    return int((inside[graph.edge_source] & inside[graph.edge_target]).sum())


def _strongest(
    left: GraphArrays, right: GraphArrays, one: np.ndarray, other: np.ndarray, count: int
) -> list[tuple[int, int]]:
    change = np.abs(right.edge_weight[other].astype(np.float64) - left.edge_weight[one])
    chosen = np.argsort(-change, kind="stable")[:count]
    return list(zip(one[chosen].tolist(), other[chosen].tolist(), strict=True))


def _edge_pair(left: GraphArrays, right: GraphArrays, one: int, other: int) -> EdgePair:
    into = [
        int(np.searchsorted(graph.edge_offset, edge, side="right")) - 1
        for graph, edge in ((left, one), (right, other))
    ]
    return EdgePair(
        source=(int(left.edge_source[one]), int(right.edge_source[other])),
        target=(into[0], into[1]),
        weight=(float(left.edge_weight[one]), float(right.edge_weight[other])),
    )


def _difference(left: GraphArrays, right: GraphArrays) -> TargetDifference | None:
    by_id = left.info.model == right.info.model and _names_ids(left.info) and _names_ids(right.info)
    answers = _answers(left.info, by_id), _answers(right.info, by_id)
    shared = [token for token in answers[0] if token in answers[1]]
    ranked = [max(side, key=lambda token: side[token][1], default="") for side in answers]
    if ranked[0] not in shared or ranked[1] not in shared:
        return None
    first, second = ranked
    if first == second:
        others = [token for token in shared if token != first]
        if not others:
            return None
        second = max(others, key=lambda token: min(side[token][1] for side in answers))
    logits = [math.log(side[first][1] / side[second][1]) for side in answers]
    return TargetDifference(answers[0][first][0], answers[0][second][0], (logits[0], logits[1]))


def _names_ids(info: GraphInfo) -> bool:
    return len(info.prediction_ids) == len(info.predictions) and all(
        target.token_id >= 0 for target in info.targets
    )


def _answers(info: GraphInfo, by_id: bool) -> dict[str | int, tuple[str, float]]:
    """Text and probability of next tokens by id or text, as far as the graph holds them."""
    names = info.prediction_ids if by_id else [text for text, _ in info.predictions]
    predicted = dict(zip(names, info.predictions, strict=True))
    targets = {
        (target.token_id if by_id else target.text): (target.text, target.probability)
        for target in info.targets
        if target.probability
    }
    return {name: answer for name, answer in predicted.items() if answer[1] > 0} | targets
