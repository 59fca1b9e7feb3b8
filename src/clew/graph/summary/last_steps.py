"""Last steps: features that write the answer down, for the likeliest output or against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import Flow

MOST = 0.5
"""A feature is a last step if so much of what flows out of it goes straight to the outputs."""
LEAST_SHARE = 0.02
"""Last steps for (or against) an output make a group if they carry so much of all influence."""


@dataclass(frozen=True)
class LastSteps:
    """Feature nodes whose edges raise the likeliest output, and those whose edges lower it."""

    towards: Int64[np.ndarray, " member"]
    against: Int64[np.ndarray, " member"]


def last_steps_of(graph: GraphArrays, nodes: Int64[np.ndarray, " feature"], flow: Flow) -> LastSteps:
    """Those of the given feature nodes at the outputs' position that act mostly on outputs.

    A side that carries less than `LEAST_SHARE` is empty.
    """
    nothing = np.zeros(0, dtype=np.int64)
    targets = graph.of_kind(NodeKind.TARGET)
    if not len(targets):
        return LastSteps(nothing, nothing)
    main = int(targets[np.argmax(graph.target_weight[targets])])
    edges = slice(graph.edge_offset[main], graph.edge_offset[main + 1])
    effect = np.bincount(graph.edge_source[edges], graph.edge_weight[edges], graph.n_nodes)[nodes]
    last = (flow.influence[nodes] > 0) & (graph.node_position[nodes] == graph.node_position[main])
    last &= flow_to_outputs(graph, flow)[nodes] >= MOST * flow.influence[nodes]
    sides = [nodes[last & (effect > 0)], nodes[last & (effect < 0)]]
    least = LEAST_SHARE * flow.influence.sum()
    return LastSteps(*(side if flow.influence[side].sum() >= least else nothing for side in sides))


def flow_to_outputs(graph: GraphArrays, flow: Flow) -> Float64[np.ndarray, " node"]:
    """What each node's own edges to targets carry of the influence."""
    targets = graph.of_kind(NodeKind.TARGET)
    if not len(targets):
        return np.zeros(graph.n_nodes)
    edges = slice(graph.edge_offset[targets[0]], graph.edge_offset[-1])
    into = np.repeat(flow.per_weight[targets], np.diff(graph.edge_offset)[targets])
    return np.bincount(graph.edge_source[edges], np.abs(graph.edge_weight[edges]) * into, graph.n_nodes)
