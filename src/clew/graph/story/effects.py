"""Effects of groups of nodes on the likeliest output: exact, every path through a group counted once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64

from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import safe_divide
from clew.graph.topological_order import level_runs, topological_levels


def main_output(graph: GraphArrays) -> int | None:
    """The output of largest weight; None for a graph without outputs."""
    targets = graph.of_kind(NodeKind.TARGET)
    return int(targets[np.argmax(graph.target_weight[targets])]) if len(targets) else None


def effects_of_groups(
    graph: GraphArrays, groups: Sequence[Int64[np.ndarray, " member"]]
) -> list[float | None]:
    """The part of the likeliest output's logit that comes through each group, with its sign.

    Removing a group removes this part, as long as attention and norms stay as they are. Paths count where
    they leave the group for the last time: with `w` an edge, `a` a feature's activation and `e` the effect of
    what lies above, `e(s) = sum of w(s -> t) e(t) / a(t)` over `t` outside of the group. None for a group of
    outputs, and for all where the graph has no output or lacks activations.
    """
    output, per_unit = main_output(graph), _per_unit(graph)
    if output is None or per_unit is None:
        return [None] * len(groups)
    order = level_runs(topological_levels(graph))[::-1]
    group_of = _numbers(graph, groups)
    leaving = _leaving(graph, group_of, _effects(graph, order, per_unit, output) * per_unit, output)
    effects: list[float | None] = []
    for number, nodes in enumerate(groups):
        if (graph.node_kind[nodes] == NodeKind.TARGET).all():
            effects.append(None)
        elif graph.node_layer[nodes].max() <= 0:  # no path comes back to the lowest layer
            effects.append(float(leaving[nodes].sum()))
        else:
            cut = np.where(group_of == number, 0.0, per_unit)
            effects.append(float(_effects(graph, order, cut, output)[nodes].sum()))
    return effects


def leaving_effects(graph: GraphArrays, groups: Sequence[Int64[np.ndarray, " member"]]) -> list[float]:
    """The same in one pass, for ranking: paths that come back to a group count each time they leave it.

    Zero for all where effects are not known.
    """
    output, per_unit = main_output(graph), _per_unit(graph)
    if output is None or per_unit is None or not groups:
        return [0.0] * len(groups)
    order = level_runs(topological_levels(graph))[::-1]
    passed_on = _effects(graph, order, per_unit, output) * per_unit
    leaving = _leaving(graph, _numbers(graph, groups), passed_on, output)
    return [float(leaving[nodes].sum()) for nodes in groups]


def _per_unit(graph: GraphArrays) -> Float64[np.ndarray, " node"] | None:
    """The reciprocal of each feature's activation; None where some are not known."""
    features = graph.of_kind(NodeKind.FEATURE)
    activation = graph.node_activation[features].astype(np.float64)
    if not np.isfinite(activation).all():
        return None
    per_unit = np.zeros(graph.n_nodes)
    per_unit[features] = safe_divide(np.sign(activation), np.abs(activation))
    return per_unit


def _numbers(
    graph: GraphArrays, groups: Sequence[Int64[np.ndarray, " member"]]
) -> Int64[np.ndarray, " node"]:
    """The number of each node's group; -1 for none."""
    group_of = np.full(graph.n_nodes, -1)
    for number, nodes in enumerate(groups):
        group_of[nodes] = number
    return group_of


def _leaving(
    graph: GraphArrays, group_of: Int64[np.ndarray, " node"], passed_on: np.ndarray, output: int
) -> Float64[np.ndarray, " node"]:
    """The effect of every node along its edges to other groups."""
    passed_on = passed_on.copy()
    passed_on[output] = 1
    target = graph.edge_target
    carried = graph.edge_weight * passed_on[target]
    inside = group_of[graph.edge_source] == group_of[target]
    carried[inside & (group_of[target] >= 0)] = 0
    return np.bincount(graph.edge_source, carried, graph.n_nodes)


def _effects(
    graph: GraphArrays, order: Sequence[slice], per_unit: np.ndarray, output: int
) -> Float64[np.ndarray, " node"]:
    """The effect of every node, where a node passes on `per_unit` of what it receives."""
    effect = np.zeros(graph.n_nodes)
    for rows in order:
        passed_on = effect[rows] * per_unit[rows]
        if rows.start <= output < rows.stop:
            passed_on[output - rows.start] = 1
        begins = graph.edge_offset[rows.start : rows.stop + 1]
        if begins[0] == begins[-1] or not passed_on.any():
            continue
        edges = slice(begins[0], begins[-1])
        carried = graph.edge_weight[edges] * np.repeat(passed_on, np.diff(begins))
        effect += np.bincount(graph.edge_source[edges], carried, graph.n_nodes)
    return effect
