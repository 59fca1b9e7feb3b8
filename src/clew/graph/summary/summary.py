"""Summary of a graph: about a dozen named groups and the edges between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from clew.errors import ClewError
from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import Flow, measure_flow, safe_divide
from clew.graph.info_json import plain
from clew.graph.summary.grouping import Members, group_nodes
from clew.graph.summary.names import layer_span, names_of
from clew.graph.summary.topics import shared_words
from clew.graph.summary.words import Words, words_of

MAX_GROUPS = 12
"""Groups of a summary by default, at most."""


@dataclass(frozen=True)
class Group:
    """Nodes that a person may take for one."""

    name: str
    kind: NodeKind
    """The kind of most of its nodes."""
    members: tuple[int, ...]
    """Node indices, ascending."""
    share: float
    """Share of the influence of all nodes."""
    weight: float
    """Weight of its targets as explained outputs; 0 for other groups."""
    layer: float
    """Mean layer, weighted by influence (targets by weight)."""
    layers: tuple[int, int]
    """First and last layer of the middle four fifths of its influence."""
    position: float
    """Mean position, weighted as the layer."""
    positions: tuple[int, int]
    """The first and the last position."""
    words: tuple[str, ...]
    """At most three words that at least two of its features promote, most influential first."""
    own: bool
    """True for a person's supernode."""
    color: str | None = None
    """`#rrggbb`, if a person chose a color."""


@dataclass(frozen=True)
class GroupEdge:
    """All edges from the members of one group to those of another.

    An edge of weight `w` into node `t` carries `|w| (influence(t) + weight(t)) / row total(t)` of the
    influence; each sum here is over these edges, divided by the influence on all nodes.
    """

    source: int
    """Number of the group that they come from, in the summary's list."""
    target: int
    """Number of the group that they lead to."""
    carried: float
    """The sum without signs."""
    effect: float
    """The sum with signs: positive if the source makes its targets more active."""
    share: float
    """`carried` as a share of all that flows into the target group from outside."""


@dataclass(frozen=True)
class Summary:
    """Groups from tokens up to outputs, and the edges between them, strongest first."""

    groups: tuple[Group, ...]
    edges: tuple[GroupEdge, ...]
    shown: float
    """Share of the influence in groups."""
    in_no_group: float
    """The rest: 1 - `shown`."""
    through_errors: float
    """Share of the influence that no feature explains, grouped or not."""
    pruned: float
    """Share of the whole graph's influence that pruning left out; the other shares do not count it."""
    node_ids: tuple[str, ...]
    """Ids of all nodes of the graph, as in `Graph.node_ids`."""

    def edges_into(self, group: int) -> list[GroupEdge]:
        """The edges into a group, strongest first."""
        return [edge for edge in self.edges if edge.target == group]

    def as_json(self) -> dict[str, Any]:
        """The summary as dictionaries and lists; members are node ids."""
        return {
            "groups": [
                plain(vars(group))
                | {
                    "kind": group.kind.name.lower(),
                    "members": [self.node_ids[node] for node in group.members],
                }
                for group in self.groups
            ],
            "edges": [dict(vars(edge)) for edge in self.edges],
            "shown": self.shown,
            "in_no_group": self.in_no_group,
            "through_errors": self.through_errors,
            "pruned": self.pruned,
        }

    def __repr__(self) -> str:
        names = ", ".join(f"{group.name} {group.share:.0%}" for group in self.groups)
        return f"Summary({len(self.groups)} groups: {names})"


def summarize(graph: GraphArrays, max_groups: int = MAX_GROUPS) -> Summary:
    """The graph (best pruned) in at most `max_groups` groups, besides a person's supernodes.

    The likeliest outputs and the most influential tokens have groups of their own, and the others of their
    kind share one. All errors make one group. Features are grouped by the words that they promote, then by
    their effect on the outputs, then by layer and position. The same graph always gives the same summary.
    Raises `ClewError` for fewer than one group.
    """
    if max_groups < 1:
        raise ClewError(f"max_groups is {max_groups}; give at least 1.")
    flow, words = measure_flow(graph), words_of(graph)
    members = group_nodes(graph, flow, words, max_groups)
    names = names_of(graph, members, flow)
    total = float(flow.influence.sum()) or 1.0
    groups = tuple(
        _group(graph, flow, words, each, name, total) for each, name in zip(members, names, strict=True)
    )
    shown = sum(group.share for group in groups)
    return Summary(
        groups=groups,
        edges=tuple(edges_between(graph, flow, [each.nodes for each in members], total)),
        shown=shown,
        in_no_group=max(0.0, 1 - shown),
        through_errors=float(flow.influence[graph.of_kind(NodeKind.ERROR)].sum() / total),
        pruned=graph.info.influence_left_out,
        node_ids=tuple(graph.node_ids),
    )


def _group(graph: GraphArrays, flow: Flow, words: Words, members: Members, name: str, total: float) -> Group:
    nodes = members.nodes
    mass = flow.influence[nodes] + flow.target_weight[nodes]
    mass = mass / mass.sum() if mass.sum() > 0 else np.full(len(nodes), 1 / len(nodes))
    position = graph.node_position[nodes]
    return Group(
        name=name,
        kind=members.kind,
        members=tuple(nodes.tolist()),
        share=float(flow.influence[nodes].sum() / total),
        weight=float(flow.target_weight[nodes].sum()),
        layer=float(graph.node_layer[nodes] @ mass),
        layers=layer_span(graph, members, flow),
        position=float(position @ mass),
        positions=(int(position.min()), int(position.max())),
        words=members.words or shared_words(nodes, flow.influence, words),
        own=members.own_name is not None,
        color=graph.annotations.supernode_colors.get(name) if members.own_name is not None else None,
    )


def edges_between(
    graph: GraphArrays, flow: Flow, groups: Sequence[Int64[np.ndarray, " member"]], total: float
) -> list[GroupEdge]:
    """An edge for each pair of groups that the graph's edges connect, strongest first."""
    n_groups = len(groups)
    group = np.full(graph.n_nodes, n_groups)
    for number, nodes in enumerate(groups):
        group[nodes] = number
    carried, effect = flow_between(graph, flow, group, n_groups + 1)
    carried, effect = carried / total, effect / total
    inflow = carried.sum(axis=0) - np.diagonal(carried)
    share = carried * safe_divide(np.ones(n_groups + 1), inflow)
    edges = [
        GroupEdge(source, target, *(float(table[source, target]) for table in (carried, effect, share)))
        for source, target in np.argwhere(carried[:n_groups, :n_groups] > 0).tolist()
        if source != target
    ]
    return sorted(edges, key=lambda edge: -edge.carried)


def flow_between(
    graph: GraphArrays, flow: Flow, group: Int64[np.ndarray, " node"], n_groups: int
) -> tuple[Float64[np.ndarray, "source target"], Float64[np.ndarray, "source target"]]:
    """The flow from each group to each other, without signs and with them; see `GroupEdge`."""
    target = graph.edge_target
    pair = group[graph.edge_source] * n_groups + group[target]
    weight = graph.edge_weight * flow.per_weight[target]
    signed = weight * np.where(graph.node_activation < 0, -1, 1)[target]
    shape = n_groups, n_groups
    carried, effect = (np.bincount(pair, values, n_groups**2) for values in (np.abs(weight), signed))
    return carried.reshape(shape), effect.reshape(shape)
