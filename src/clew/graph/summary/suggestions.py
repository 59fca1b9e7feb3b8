"""Groups of features to suggest to a person, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from clew.feature import Feature
from clew.graph.arrays import GraphArrays, NodeKind, quote
from clew.graph.influence import Flow, measure_flow, safe_divide
from clew.graph.summary.clustering import gather
from clew.graph.summary.topics import topics_of
from clew.graph.summary.words import words_of

MOST_COMPARED = 1024
"""The most influential features are compared by their edges, to bound time and memory."""
MOST_NEIGHBOURS = 384
"""The most influential nodes stand for all that a feature reads from and writes to, to bound memory."""
SAME_EDGES = 0.8
"""Cosine from which the inputs, and the outputs, of two features count as the same."""


@dataclass(frozen=True)
class Suggestion:
    """Nodes that may be one group, for a person to accept or decline."""

    name: str
    members: tuple[int, ...]
    """Node indices, ascending."""
    ids: tuple[str, ...]
    """The members' ids, as in `Graph.node_ids`."""
    reason: str
    """A sentence that says what the members share."""
    share: float
    """Share of the influence of all nodes."""

    def as_json(self) -> dict[str, Any]:
        """The suggestion as a dictionary; members are node ids."""
        return {"name": self.name, "members": list(self.ids), "reason": self.reason, "share": self.share}


def suggest_groups(graph: GraphArrays, count: int = 12) -> list[Suggestion]:
    """At most `count` groups of features, the most influential first; no node is in two of them.

    A group holds features that promote the same words, else the same feature at several positions, else
    features with the same inputs and outputs. Members of a person's supernodes are in no group.
    """
    flow = measure_flow(graph)
    taken = {node_id for _, members in graph.annotations.supernodes for node_id in members}
    features = graph.of_kind(NodeKind.FEATURE)
    free = np.array([node for node in features.tolist() if graph.node_id(node) not in taken], dtype=np.int64)
    suggestions: list[Suggestion] = []
    total = float(flow.influence.sum()) or 1.0
    for suggest in (_by_words, _by_feature, _by_edges):
        for name, members, reason in suggest(graph, free, flow, count):
            share = float(flow.influence[members].sum() / total)
            nodes = tuple(sorted(members.tolist()))
            suggestions.append(Suggestion(name, nodes, tuple(map(graph.node_id, nodes)), reason, share))
            free = np.setdiff1d(free, members)
    return sorted(suggestions, key=lambda suggestion: -suggestion.share)[:count]


Proposals = list[tuple[str, np.ndarray, str]]
"""Name, members and reason of each."""


def _by_words(graph: GraphArrays, nodes: np.ndarray, flow: Flow, count: int) -> Proposals:
    words = words_of(graph)
    reason = "have labels with the same words" if words.from_labels else "promote the same output tokens"
    groups = []
    for topic in topics_of(graph, nodes, flow.influence, words, count):
        name = ", ".join(topic.words)
        groups.append((name, topic.members, f"These features {reason}: {name}."))
    return groups


def _by_feature(graph: GraphArrays, nodes: np.ndarray, flow: Flow, count: int) -> Proposals:
    nodes_of: dict[Feature, list[int]] = {}
    for node in nodes.tolist():
        nodes_of.setdefault(graph.feature(node), []).append(node)
    several = [(feature, np.array(members)) for feature, members in nodes_of.items() if len(members) > 1]
    several.sort(key=lambda item: -flow.influence[item[1]].sum())
    return [
        (
            graph.label(int(members[0]), by_rule=False) or str(feature),
            members,
            f"This is the same feature, {feature}, at {len(members)} positions.",
        )
        for feature, members in several[:count]
    ]


def _by_edges(graph: GraphArrays, nodes: np.ndarray, flow: Flow, count: int) -> Proposals:
    nodes = nodes[np.argsort(-flow.influence[nodes], kind="stable")][:MOST_COMPARED]
    inputs, outputs = _profiles(graph, nodes, flow)
    alike = (inputs @ inputs.T >= SAME_EDGES) & (outputs @ outputs.T >= SAME_EDGES)
    groups = []
    for members in gather(alike, flow.influence[nodes], lambda members: len(members) > 1, count):
        chosen = nodes[members]
        positions = np.unique(graph.node_position[chosen]).tolist()
        where = quote(graph.info.tokens[positions[0]]) if len(positions) == 1 else f"{len(positions)} tokens"
        name = f"{len(chosen)} features on {where}"
        groups.append((name, chosen, "These features read from and write to the same nodes."))
    return groups


def _profiles(
    graph: GraphArrays, nodes: Int64[np.ndarray, " feature"], flow: Flow
) -> tuple[Float64[np.ndarray, "feature coordinate"], Float64[np.ndarray, "feature coordinate"]]:
    """The signed shares of each feature's input, and of its output, as unit vectors.

    The sign says if an edge makes its target more active, whatever the sign of the target's activation.
    """
    strongest = np.argsort(-(flow.influence + flow.target_weight), kind="stable")[:MOST_NEIGHBOURS]
    coordinate = np.full(graph.n_nodes, -1)
    coordinate[strongest] = np.arange(len(strongest))
    row = np.full(graph.n_nodes, -1)
    row[nodes] = np.arange(len(nodes))
    target, source = graph.edge_target, graph.edge_source
    carried = graph.edge_weight * np.where(graph.node_activation < 0, -1, 1)[target]
    carried = carried * flow.per_weight[target]
    shape = len(nodes), len(strongest)
    vectors = []
    for this, other in ((row[target], coordinate[source]), (row[source], coordinate[target])):
        inside = np.flatnonzero((this >= 0) & (other >= 0))
        cell = this[inside] * shape[1] + other[inside]
        vectors.append(_unit(np.bincount(cell, carried[inside], shape[0] * shape[1]).reshape(shape)))
    return vectors[0], vectors[1]


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.sqrt((rows**2).sum(axis=1))
    return rows * safe_divide(np.ones(len(rows)), length)[:, None]
