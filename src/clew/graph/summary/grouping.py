"""Which nodes of a graph make a group of its summary: a person's own, outputs, words, features, errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import Flow
from clew.graph.summary.clustering import regions_of
from clew.graph.summary.last_steps import last_steps_of
from clew.graph.summary.topics import topics_of
from clew.graph.summary.words import Words

MOST_FEATURES = 20_000
"""Less influential features of a still larger graph are in no group."""
MOST_TOPICS = 3
FEWEST_REGIONS = 2
LEAST_OUTPUT = 0.1
"""An output stands alone if it has so much of the outputs' weight."""
KINDS_BY_NEED = (NodeKind.FEATURE, NodeKind.TARGET, NodeKind.TOKEN, NodeKind.ERROR)
EXTRA_BY_NEED = (NodeKind.FEATURE, NodeKind.TARGET, NodeKind.TOKEN, NodeKind.FEATURE, NodeKind.TOKEN)
"""Who gets a further group, once every kind has one; after these, features."""


@dataclass(frozen=True)
class Members:
    """The nodes of one group, and what is known of its name already."""

    nodes: Int64[np.ndarray, " member"]
    kind: NodeKind
    words: tuple[str, ...] = ()
    """What a topic's features promote together."""
    heading: str | None = None
    """Of last steps: "towards" or "against" the likeliest output."""
    is_rest: bool = False
    """What is left over of its kind."""
    own_name: str | None = None
    """A person's group."""


def group_nodes(graph: GraphArrays, flow: Flow, words: Words, max_groups: int) -> list[Members]:
    """A person's groups, and beside them at most `max_groups` suggested ones of what they leave."""
    own = own_groups(graph)
    free = np.ones(graph.n_nodes, dtype=bool)
    for group in own:
        free[group.nodes] = False
    of_kind = {kind: np.flatnonzero(free & (graph.node_kind == kind)) for kind in NodeKind}
    budget = _budget({kind: len(nodes) for kind, nodes in of_kind.items()}, max_groups)
    outputs = _outputs(graph, of_kind[NodeKind.TARGET], budget[NodeKind.TARGET])
    tokens = _tokens(graph, of_kind[NodeKind.TOKEN], flow, budget[NodeKind.TOKEN])
    errors = [Members(of_kind[NodeKind.ERROR], NodeKind.ERROR)] * budget[NodeKind.ERROR]
    unused = budget[NodeKind.TARGET] - len(outputs) + budget[NodeKind.TOKEN] - len(tokens)
    at_most = budget[NodeKind.FEATURE] + (unused if budget[NodeKind.FEATURE] else 0)
    features = _features(graph, of_kind[NodeKind.FEATURE], flow, words, at_most)
    return [*own, *tokens, *features, *errors, *outputs]


def own_groups(graph: GraphArrays) -> list[Members]:
    """A person's supernodes as far as their nodes are there; a node of several belongs to the first."""
    where = (
        {node_id: node for node, node_id in enumerate(graph.node_ids)} if graph.annotations.supernodes else {}
    )
    found = []
    for name, ids in graph.annotations.supernodes:
        nodes = sorted({where.pop(node_id) for node_id in ids if node_id in where})
        if nodes:
            members = np.array(nodes)
            kind = NodeKind(int(np.bincount(graph.node_kind[members]).argmax()))
            found.append(Members(members, kind, own_name=name))
    return found


def _budget(n_nodes: dict[NodeKind, int], count: int) -> dict[NodeKind, int]:
    """How many groups each kind may have; features get what is over."""
    budget = dict.fromkeys(NodeKind, 0)
    wanting = [kind for kind in (*KINDS_BY_NEED, *EXTRA_BY_NEED) if n_nodes[kind]]
    if n_nodes[NodeKind.FEATURE]:
        wanting += [NodeKind.FEATURE] * max(0, count - len(wanting))
    for kind in wanting[: max(0, count)]:
        budget[kind] += 1
    return {kind: min(given, n_nodes[kind]) for kind, given in budget.items()}


def _outputs(graph: GraphArrays, nodes: np.ndarray, count: int) -> list[Members]:
    """The likeliest few alone, if they weigh enough, and the rest together."""
    weight = graph.target_weight[nodes]
    return _alone_and_rest(nodes, weight, weight >= LEAST_OUTPUT * weight.sum(), NodeKind.TARGET, count)


def _tokens(graph: GraphArrays, nodes: np.ndarray, flow: Flow, count: int) -> list[Members]:
    """The most influential alone, but the sink, and the rest together."""
    first = graph.info.tokens[0] if graph.info.tokens else ""
    has_sink = graph.info.sink is not None or (first.startswith("<") and first.endswith(">"))
    alone = graph.node_position[nodes] >= has_sink
    return _alone_and_rest(nodes, flow.influence[nodes], alone, NodeKind.TOKEN, count)


def _alone_and_rest(
    nodes: np.ndarray, weight: np.ndarray, may_stand_alone: np.ndarray, kind: NodeKind, count: int
) -> list[Members]:
    if not len(nodes) or count < 1:
        return []
    order = np.argsort(-weight, kind="stable")
    alone = order[may_stand_alone[order] & (weight[order] > 0)]
    alone = alone if len(alone) == len(nodes) <= count else alone[: count - 1]
    rest = np.setdiff1d(np.arange(len(nodes)), alone)
    groups = [Members(nodes[[one]], kind) for one in (np.sort(alone) if kind == NodeKind.TOKEN else alone)]
    return [*groups, Members(nodes[rest], kind, is_rest=len(rest) > 1)] if len(rest) else groups


def _features(graph: GraphArrays, nodes: np.ndarray, flow: Flow, words: Words, count: int) -> list[Members]:
    """Topics first, then last steps, then regions of all other features."""
    if not len(nodes) or count < 1:
        return []
    nodes = np.sort(nodes[np.argsort(-flow.influence[nodes], kind="stable")][:MOST_FEATURES])
    n_topics = max(0, min(MOST_TOPICS, count - FEWEST_REGIONS - 2))
    groups = [
        Members(topic.members, NodeKind.FEATURE, words=topic.words)
        for topic in topics_of(graph, nodes, flow.influence, words, n_topics)
    ]
    rest = _without(nodes, groups)
    if count - len(groups) > FEWEST_REGIONS:
        steps = last_steps_of(graph, rest, flow)
        sides = (("against", steps.against), ("towards", steps.towards))
        groups += [Members(side, NodeKind.FEATURE, heading=heading) for heading, side in sides if len(side)]
    regions = regions_of(graph, _without(nodes, groups), flow, words, count - len(groups))
    groups += [Members(region, NodeKind.FEATURE) for region in regions]
    return sorted(groups, key=lambda group: _mean_layer(graph, flow, group.nodes))


def _without(nodes: np.ndarray, groups: list[Members]) -> np.ndarray:
    return np.setdiff1d(nodes, np.concatenate([group.nodes for group in groups])) if groups else nodes


def _mean_layer(graph: GraphArrays, flow: Flow, nodes: np.ndarray) -> float:
    mass = flow.influence[nodes] if flow.influence[nodes].any() else np.ones(len(nodes))
    return float(graph.node_layer[nodes] @ mass / mass.sum())
