"""Names of groups of nodes: the words that their members share, else their place."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from clew.graph.arrays import GraphArrays, NodeKind, quote
from clew.graph.influence import Flow
from clew.graph.info import Target
from clew.graph.summary.grouping import Members

MOSTLY = 0.7
"""Share of a group's influence that lies on the tokens in its name."""
MOST_NAMED = 3
"""Tokens or labels in a name, at most."""
LONGEST = 40
"""Letters of a token, a label, or a list of them, at most."""
DEPTHS = ((1 / 3, "early"), (2 / 3, "middle"), (np.inf, "late"))


def names_of(graph: GraphArrays, groups: list[Members], flow: Flow) -> list[str]:
    """A name for each group, no two the same: a person's own, else one made from tokens and labels."""
    names = [_name(graph, group, flow) for group in groups]
    places = [_telling_apart(graph, group, flow) for group in groups]
    for distinct in (lambda number: places[number], lambda number: f"({number + 1})"):
        times = Counter(names)
        names = [
            f"{name}, {distinct(number)}" if times[name] > 1 and groups[number].own_name is None else name
            for number, name in enumerate(names)
        ]
    return names


def target_text(target: Target) -> str:
    """`" Paris"`, or `" cold" minus " warm"` for a difference."""
    if target.minus_id is not None and " minus " in target.text:
        return " minus ".join(_quoted(side) for side in target.text.split(" minus ", 1))
    return _quoted(target.text)


def _quoted(text: str) -> str:
    return quote(_cut(text))


def _name(graph: GraphArrays, group: Members, flow: Flow) -> str:
    if group.own_name is not None:
        return group.own_name
    match group.kind:
        case NodeKind.ERROR:
            return "not explained"
        case NodeKind.TOKEN:
            texts = [_quoted(graph.info.tokens[at]) for at in graph.node_position[group.nodes].tolist()]
            return _listed(texts, "other tokens") if group.is_rest else texts[0]
        case NodeKind.TARGET:
            order = group.nodes[np.argsort(-graph.target_weight[group.nodes], kind="stable")]
            texts = [target_text(graph.target(node)) for node in order.tolist()]
            return _listed(texts, "other outputs") if group.is_rest else texts[0]
    labels = _labels(graph, group, flow)
    if labels:
        return labels
    if group.heading is not None:
        main = max(graph.info.targets, key=lambda target: target.weight)
        return f"{group.heading} {target_text(main)}"
    if not group.words:
        return _place(graph, group, flow)
    words = ", ".join(group.words)
    return f"say {words}" if graph.output_tokens is not None and _is_at_end(graph, group, flow) else words


def _listed(texts: list[str], otherwise: str) -> str:
    """The texts in one list, or their number if the list is too long."""
    listed = ", ".join(texts)
    return listed if len(listed) <= LONGEST else f"{len(texts)} {otherwise}"


def _labels(graph: GraphArrays, group: Members, flow: Flow) -> str:
    """The labels of most of a group's influence, if they are few and short; else an empty text."""
    influence: dict[str, float] = defaultdict(float)
    for node in group.nodes.tolist():
        if label := graph.label(node, by_rule=False):
            influence[label] += float(flow.influence[node])
    strongest = sorted(influence, key=lambda label: -influence[label])[:MOST_NAMED]
    half = flow.influence[group.nodes].sum() / 2
    if strongest and influence[strongest[0]] > half:
        return _cut(strongest[0])
    listed = "; ".join(strongest)
    return listed if len(listed) <= LONGEST and sum(influence[label] for label in strongest) > half else ""


def _cut(label: str) -> str:
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 1].rstrip()}…"


def _place(graph: GraphArrays, group: Members, flow: Flow) -> str:
    """The strongest tokens and the depth of a group: `on " France", early`."""
    mass = flow.influence[group.nodes]
    mass = mass if mass.sum() > 0 else np.ones(len(mass))
    at = np.bincount(graph.node_position[group.nodes], mass) / mass.sum()
    order = np.argsort(-at, kind="stable")
    order = order[at[order] > 0]
    needed = int(np.searchsorted(np.cumsum(at[order]), MOSTLY)) + 1
    strongest = np.sort(order[: min(needed, MOST_NAMED)]).tolist()
    tokens = ", ".join(_quoted(graph.info.tokens[position]) for position in strongest)
    depth = float(graph.node_layer[group.nodes] @ mass / mass.sum()) / max(1, graph.n_layers - 1)
    when = next(name for end, name in DEPTHS if depth <= end)
    return f"on {tokens}{' and others' if needed > MOST_NAMED else ''}, {when}"


def _telling_apart(graph: GraphArrays, group: Members, flow: Flow) -> str:
    """The position or layers that tell a group from another of its name."""
    if group.kind == NodeKind.TOKEN:
        return f"position {int(graph.node_position[group.nodes].min())}"
    low, high = layer_span(graph, group, flow)
    return f"layer {low}" if low == high else f"layers {low}-{high}"


def layer_span(graph: GraphArrays, group: Members, flow: Flow) -> tuple[int, int]:
    """The layers between which the middle four fifths of a group's influence lie."""
    layer = graph.node_layer[group.nodes]
    order = np.argsort(layer, kind="stable")
    mass = flow.influence[group.nodes][order]
    share = np.cumsum(mass) / mass.sum() if mass.sum() > 0 else np.linspace(0, 1, len(mass))
    low, high = np.minimum(np.searchsorted(share, (0.1, 0.9)), len(layer) - 1)
    return int(layer[order][low]), int(layer[order][high])


def _is_at_end(graph: GraphArrays, group: Members, flow: Flow) -> bool:
    """True if most of a group's influence lies at the last position."""
    mass = flow.influence[group.nodes]
    at_end = graph.node_position[group.nodes] == len(graph.info.tokens) - 1
    return bool(mass[at_end].sum() >= MOSTLY * mass.sum())
