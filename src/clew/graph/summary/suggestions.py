"""Groups to suggest to a person, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clew.graph.arrays import GraphArrays, NodeKind, quote
from clew.graph.influence import Flow, measure_flow
from clew.graph.summary.clustering import gather
from clew.graph.summary.similarity import profiles
from clew.graph.summary.topics import topics_of
from clew.graph.summary.words import words_of

COMPARED = 1024
"""So many of the most influential features are compared by their edges."""
SAME_EDGES = 0.8
"""Cosine from which the inputs, or the outputs, of two features count as the same."""


@dataclass(frozen=True)
class Suggestion:
    """Nodes that may be one group, for a person to accept or decline."""

    name: str
    members: tuple[int, ...]
    """Node indices, ascending."""
    ids: tuple[str, ...]
    """The same as `Graph.node_ids`."""
    reason: str
    """In plain words."""
    share: float
    """Of the influence on all nodes."""

    def as_json(self) -> dict[str, Any]:
        """A plain dictionary; members are node ids."""
        return {"name": self.name, "members": list(self.ids), "reason": self.reason, "share": self.share}


def suggest_groups(graph: GraphArrays, count: int = 12) -> list[Suggestion]:
    """At most `count` groups of features, the most influential first; no node is in two of them.

    Features that promote the same words, the same feature at several positions, and features with the
    same inputs and outputs, in this order of preference. Members of a person's supernodes are left alone.
    """
    flow = measure_flow(graph)
    taken = {node_id for _, members in graph.annotations.supernodes for node_id in members}
    features = graph.of_kind(NodeKind.FEATURE)
    free = np.array([node for node in features.tolist() if graph.node_id(node) not in taken], dtype=np.int64)
    found: list[Suggestion] = []
    everything = float(flow.influence.sum()) or 1.0
    for suggest in (_by_words, _by_feature, _by_edges):
        for name, members, reason in suggest(graph, free, flow, count):
            share = float(flow.influence[members].sum() / everything)
            nodes = tuple(sorted(members.tolist()))
            found.append(Suggestion(name, nodes, tuple(map(graph.node_id, nodes)), reason, share))
            free = np.setdiff1d(free, members)
    return sorted(found, key=lambda suggestion: -suggestion.share)[:count]


Found = list[tuple[str, np.ndarray, str]]


def _by_words(graph: GraphArrays, nodes: np.ndarray, flow: Flow, count: int) -> Found:
    known = words_of(graph)
    reason = "have labels with the same words" if known.from_labels else "promote the same output tokens"
    found = []
    for topic in topics_of(graph, nodes, flow.influence, known, count):
        words = ", ".join(topic.words)
        found.append((words, topic.members, f"These features {reason}: {words}."))
    return found


def _by_feature(graph: GraphArrays, nodes: np.ndarray, flow: Flow, count: int) -> Found:
    places: dict[str, list[int]] = {}
    for node in nodes.tolist():
        places.setdefault(graph.feature_name(node), []).append(node)
    several = [(name, np.array(members)) for name, members in places.items() if len(members) > 1]
    several.sort(key=lambda item: -flow.influence[item[1]].sum())
    return [
        (
            graph.label(int(members[0]), by_rule=False) or name,
            members,
            f"This is the same feature, {name}, at {len(members)} positions.",
        )
        for name, members in several[:count]
    ]


def _by_edges(graph: GraphArrays, nodes: np.ndarray, flow: Flow, count: int) -> Found:
    nodes = nodes[np.argsort(-flow.influence[nodes], kind="stable")][:COMPARED]
    inputs, outputs = profiles(graph, nodes, flow)
    alike = (inputs @ inputs.T >= SAME_EDGES) & (outputs @ outputs.T >= SAME_EDGES)
    found = []
    for members in gather(alike, flow.influence[nodes], lambda members: len(members) > 1, count):
        chosen = nodes[members]
        positions = np.unique(graph.node_position[chosen]).tolist()
        where = quote(graph.info.tokens[positions[0]]) if len(positions) == 1 else f"{len(positions)} tokens"
        name = f"{len(chosen)} features on {where}"
        found.append((name, chosen, "These features read from and write to the same nodes."))
    return found
