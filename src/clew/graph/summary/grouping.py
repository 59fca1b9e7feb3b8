"""Division of a graph's nodes into the groups of its summary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import Flow
from clew.graph.summary.clustering import regions_of
from clew.graph.summary.topics import topics_of
from clew.graph.summary.words import Words

FEWEST_REGIONS = 2
"""Topics and last steps leave room for so many regions."""
LEAST_DIRECT = 0.5
"""Share of a feature's influence that goes straight to the outputs, from which it is a last step."""
KINDS_BY_NEED = (NodeKind.FEATURE, NodeKind.TARGET, NodeKind.TOKEN, NodeKind.ERROR)
"""The order in which each kind of node gets its first group."""
EXTRA_BY_NEED = (NodeKind.FEATURE, NodeKind.TARGET, NodeKind.TOKEN, NodeKind.FEATURE, NodeKind.TOKEN)
"""The order of further groups; all after these are for features."""


@dataclass(frozen=True)
class Members:
    """The nodes of one group, and the parts of its name that come from making it."""

    nodes: Int64[np.ndarray, " member"]
    kind: NodeKind
    words: tuple[str, ...] = ()
    """Words that a topic's features promote together."""
    heading: str | None = None
    """For last steps "towards" or "against", which means the likeliest output."""
    is_rest: bool = False
    """True for the nodes of a kind that are in no other group."""
    own_name: str | None = None
    """The name of a person's group."""


def group_nodes(graph: GraphArrays, flow: Flow, words: Words, max_groups: int) -> list[Members]:
    """A person's groups, and at most `max_groups` groups of the other nodes."""
    own = own_groups(graph)
    free = np.ones(graph.n_nodes, dtype=bool)
    for group in own:
        free[group.nodes] = False
    of_kind = {kind: np.flatnonzero(free & (graph.node_kind == kind)) for kind in NodeKind}
    budget = _budget({kind: len(nodes) for kind, nodes in of_kind.items()}, max_groups)
    targets = of_kind[NodeKind.TARGET]
    may_stand_alone = np.ones(len(targets), dtype=bool)
    outputs = _alone_and_rest(
        targets, graph.target_weight[targets], may_stand_alone, NodeKind.TARGET, budget[NodeKind.TARGET]
    )
    tokens = _tokens(graph, of_kind[NodeKind.TOKEN], flow, budget[NodeKind.TOKEN])
    errors = [Members(of_kind[NodeKind.ERROR], NodeKind.ERROR)] * budget[NodeKind.ERROR]
    unused = budget[NodeKind.TARGET] - len(outputs) + budget[NodeKind.TOKEN] - len(tokens)
    at_most = budget[NodeKind.FEATURE] + (unused if budget[NodeKind.FEATURE] else 0)
    features = _features(graph, of_kind[NodeKind.FEATURE], flow, words, at_most)
    return [*own, *tokens, *features, *errors, *outputs]


def own_groups(graph: GraphArrays) -> list[Members]:
    """A person's supernodes with the nodes that the graph holds; a node of several belongs to the first."""
    node_of = (
        {node_id: node for node, node_id in enumerate(graph.node_ids)} if graph.annotations.supernodes else {}
    )
    groups = []
    for name, ids in graph.annotations.supernodes:
        nodes = sorted({node_of.pop(node_id) for node_id in ids if node_id in node_of})
        if nodes:
            members = np.array(nodes)
            kind = NodeKind(int(np.bincount(graph.node_kind[members]).argmax()))
            groups.append(Members(members, kind, own_name=name))
    return groups


def _budget(n_nodes: dict[NodeKind, int], count: int) -> dict[NodeKind, int]:
    """Number of groups of each kind; features get what the others leave."""
    budget = dict.fromkeys(NodeKind, 0)
    wanting = [kind for kind in (*KINDS_BY_NEED, *EXTRA_BY_NEED) if n_nodes[kind]]
    if n_nodes[NodeKind.FEATURE]:
        wanting += [NodeKind.FEATURE] * max(0, count - len(wanting))
    for kind in wanting[: max(0, count)]:
        budget[kind] += 1
    return {kind: min(number, n_nodes[kind]) for kind, number in budget.items()}


def _tokens(graph: GraphArrays, nodes: np.ndarray, flow: Flow, count: int) -> list[Members]:
    """The most influential tokens alone, except for the sink, and the rest together."""
    first = graph.info.tokens[0] if graph.info.tokens else ""
    has_sink = graph.info.sink is not None or (first.startswith("<") and first.endswith(">"))
    alone = graph.node_position[nodes] >= has_sink
    return _alone_and_rest(nodes, flow.influence[nodes], alone, NodeKind.TOKEN, count)


def _alone_and_rest(
    nodes: np.ndarray, weight: np.ndarray, may_stand_alone: np.ndarray, kind: NodeKind, count: int
) -> list[Members]:
    """The nodes of largest weight alone, and the rest as one group; `count` groups at most."""
    if not len(nodes) or count < 1:
        return []
    order = np.argsort(-weight, kind="stable")
    alone = order[may_stand_alone[order] & (weight[order] > 0)]
    alone = alone if len(alone) == len(nodes) <= count else alone[: count - 1]
    rest = np.setdiff1d(np.arange(len(nodes)), alone)
    groups = [Members(nodes[[one]], kind) for one in (np.sort(alone) if kind == NodeKind.TOKEN else alone)]
    return [*groups, Members(nodes[rest], kind, is_rest=len(rest) > 1)] if len(rest) else groups


def _features(graph: GraphArrays, nodes: np.ndarray, flow: Flow, words: Words, count: int) -> list[Members]:
    """Topics, then last steps, then regions of all other features; sorted by mean layer."""
    if not len(nodes) or count < 1:
        return []
    n_topics = max(0, count - FEWEST_REGIONS - 2)
    groups = [
        Members(topic.members, NodeKind.FEATURE, words=topic.words)
        for topic in topics_of(graph, nodes, flow.influence, words, n_topics)
    ]
    rest = _without(nodes, groups)
    if count - len(groups) > FEWEST_REGIONS:
        groups += _last_steps(graph, rest, flow)
    regions = regions_of(graph, _without(nodes, groups), flow.influence, count - len(groups))
    groups += [Members(region, NodeKind.FEATURE) for region in regions]
    return sorted(groups, key=lambda group: _mean_layer(graph, flow, group.nodes))


def _last_steps(graph: GraphArrays, nodes: np.ndarray, flow: Flow) -> list[Members]:
    """Features at the outputs' position that act mostly on outputs, against and towards the likeliest."""
    targets = graph.of_kind(NodeKind.TARGET)
    if not len(targets):
        return []
    main = int(targets[np.argmax(graph.target_weight[targets])])
    edges = slice(graph.edge_offset[main], graph.edge_offset[main + 1])
    effect = np.bincount(graph.edge_source[edges], graph.edge_weight[edges], graph.n_nodes)[nodes]
    edges = slice(graph.edge_offset[targets[0]], graph.edge_offset[-1])
    per_weight = np.repeat(flow.per_weight[targets], np.diff(graph.edge_offset)[targets])
    direct = np.bincount(
        graph.edge_source[edges], np.abs(graph.edge_weight[edges]) * per_weight, graph.n_nodes
    )
    last = (flow.influence[nodes] > 0) & (graph.node_position[nodes] == graph.node_position[main])
    last &= direct[nodes] >= LEAST_DIRECT * flow.influence[nodes]
    sides = (("against", nodes[last & (effect < 0)]), ("towards", nodes[last & (effect > 0)]))
    return [Members(side, NodeKind.FEATURE, heading=heading) for heading, side in sides if len(side)]


def _without(nodes: np.ndarray, groups: list[Members]) -> np.ndarray:
    return np.setdiff1d(nodes, np.concatenate([group.nodes for group in groups])) if groups else nodes


def _mean_layer(graph: GraphArrays, flow: Flow, nodes: np.ndarray) -> float:
    mass = flow.influence[nodes] if flow.influence[nodes].any() else np.ones(len(nodes))
    return float(graph.node_layer[nodes] @ mass / mass.sum())
