"""Pruning: parts of a graph, and the smallest one that carries a chosen share of the influence.

The steps are those of "Circuit Tracing: Revealing Computational Graphs in Language Models", Ameisen et al.
2025, https://transformer-circuits.pub/2025/attribution-graphs/methods.html.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import compress
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from clew.graph.arrays import ARRAY_TYPES, G, GraphArrays, NodeKind, OutputTokens
from clew.graph.influence import Flow, measure_flow, node_influence, row_sums, safe_divide
from clew.graph.scores import error_of_part, scores
from clew.graph.thresholds import stored_thresholds
from clew.options import check_options


def prune(graph: G, node_threshold: float | None = None, edge_threshold: float | None = None) -> G:
    """The smallest part that carries `node_threshold` of the influence and `edge_threshold` of its flow.

    By default the thresholds are those of the graph's trace. Nodes keep the influence that they had in the
    whole graph. `info.pruned_scores` counts all that was left out as error; `info.influence_left_out` is its
    share. When a graph is pruned again, both include the earlier pruning, and the scores are lower bounds:
    contributions that cancel are known only within one pruning. (Files of older versions lack these, so their
    scores are None.) Raises `ClewError` for thresholds outside (0, 1].
    """
    given = {"node_threshold": node_threshold, "edge_threshold": edge_threshold}
    given = {name: threshold for name, threshold in given.items() if threshold is not None}
    thresholds = replace(stored_thresholds(graph.info.settings), **given)
    check_options(thresholds)
    flow = measure_flow(graph)
    masks = prune_masks(graph, flow, thresholds.node_threshold, thresholds.edge_threshold)
    return measured_part(graph, flow, *masks).with_info(
        settings={**graph.info.settings, **asdict(thresholds)}
    )


def part_to_read(graph: G) -> G:
    """A whole traced graph pruned at the thresholds of its trace; any other graph as it is."""
    return graph if graph.node_total is None else prune(graph)


def measured_part(
    graph: G, flow: Flow, keep_node: Bool[np.ndarray, " node"], keep_edge: Bool[np.ndarray, " edge"]
) -> G:
    """The kept nodes and edges as a graph, with the scores and shares that `prune` gives."""
    part = subgraph(graph, keep_node, keep_edge)
    carried = row_sums(np.abs(part.edge_weight), part.edge_offset) @ flow.per_weight[keep_node]
    total = flow.influence.sum()
    share = float(carried / total) if total > 0 else 1.0
    info = replace(
        graph.info,
        whole=graph.info.whole or graph.size,
        pruned_scores=None if part.node_left_out is None else scores(part),
        influence_left_out=1 - (1 - graph.info.influence_left_out) * share,
    )
    return replace(part, info=info)


def prune_masks(
    graph: GraphArrays, flow: Flow, node_threshold: float, edge_threshold: float
) -> tuple[Bool[np.ndarray, " node"], Bool[np.ndarray, " edge"]]:
    """Masks of the nodes and edges to keep, by the published steps.

    Nodes are chosen by influence (tokens and targets always stay), then edges by their share of the flow
    between kept nodes. Then features without inputs or outputs, and errors without outputs, are removed until
    nothing changes.
    """
    fixed = graph.node_kind >= NodeKind.TOKEN
    keep_node = fixed | (flow.influence >= smallest_kept(flow.influence, node_threshold))

    edges = np.flatnonzero(np.repeat(keep_node, np.diff(graph.edge_offset)))
    edges = edges[keep_node[graph.edge_source[edges]]]
    carried = _flow_within(graph, edges, flow)
    edges = edges[carried >= smallest_kept(carried, edge_threshold)]
    source = graph.edge_source[edges]
    target = np.repeat(np.arange(graph.n_nodes), np.diff(np.searchsorted(edges, graph.edge_offset)))

    is_feature = graph.node_kind == NodeKind.FEATURE
    while True:
        has_output = np.bincount(source, minlength=graph.n_nodes) > 0
        has_input = np.bincount(target, minlength=graph.n_nodes) > 0
        remaining = keep_node & (fixed | (has_output & (has_input | ~is_feature)))
        if np.array_equal(remaining, keep_node):
            break
        keep_node = remaining
        both = keep_node[source] & keep_node[target]
        edges, source, target = edges[both], source[both], target[both]
    keep_edge = np.zeros(graph.n_edges, dtype=bool)
    keep_edge[edges] = True
    return keep_node, keep_edge


def _flow_within(graph: GraphArrays, edges: np.ndarray, flow: Flow) -> Float64[np.ndarray, " edge"]:
    """Influence that each of the given edges (sorted) carries, in a graph of these edges alone."""
    weight, source = graph.edge_weight[edges], graph.edge_source[edges]
    offset = np.searchsorted(edges, graph.edge_offset)
    influence, total = node_influence(offset, source, weight, flow.target_weight, flow.level)
    per_weight = safe_divide(influence + flow.target_weight, total)
    return np.abs(weight) * np.repeat(per_weight, np.diff(offset))


def smallest_kept(values: Float64[np.ndarray, " item"], threshold: float) -> float:
    """The smallest value of the smallest set whose sum reaches `threshold` of the whole.

    A threshold of 1 keeps every value above zero.
    """
    if not len(values):
        return 0.0
    ordered = np.sort(values)[::-1]
    if threshold == 1:
        return float(ordered[np.count_nonzero(ordered) - 1])
    cumulative = np.cumsum(ordered)
    reached = int(np.searchsorted(cumulative, threshold * cumulative[-1]))
    return float(ordered[min(reached, len(ordered) - 1)])


def subgraph(graph: G, keep_node: Bool[np.ndarray, " node"], keep_edge: Bool[np.ndarray, " edge"]) -> G:
    """The kept nodes and the kept edges between them, renumbered; scores and settings stay as they are.

    `node_left_out` holds the error of what is missing from each row, unless the graph itself lacks it.
    """
    new_index = np.cumsum(keep_node) - 1
    edges = np.flatnonzero(keep_edge & np.repeat(keep_node, np.diff(graph.edge_offset)))
    edges = edges[keep_node[graph.edge_source[edges]]]
    per_target = np.diff(np.searchsorted(edges, graph.edge_offset))[keep_node]
    return replace(
        graph,
        **{name: getattr(graph, name)[keep_node] for name in ARRAY_TYPES if name.startswith("node_")},
        edge_offset=np.concatenate([[0], np.cumsum(per_target)]).astype(np.int64),
        edge_source=new_index[graph.edge_source[edges]].astype(np.int32),
        edge_weight=graph.edge_weight[edges],
        output_tokens=_kept_output_tokens(graph.output_tokens, keep_node, new_index),
        node_constant=None,
        node_total=None,
        node_left_out=_left_out(graph, keep_node, keep_edge),
        foreign=_kept_foreign(graph.foreign, keep_node),
    )


def _left_out(graph: GraphArrays, keep_node: np.ndarray, keep_edge: np.ndarray) -> np.ndarray | None:
    """The error in each kept row; None if an older version, which did not keep it, pruned the graph."""
    if graph.info.whole is not None and graph.node_left_out is None:
        return None
    return error_of_part(graph, keep_node, keep_edge)[keep_node].astype(np.float32)


def _kept_output_tokens(
    described: OutputTokens | None, keep_node: np.ndarray, new_index: np.ndarray
) -> OutputTokens | None:
    if described is None:
        return None
    rows = keep_node[described.node]
    return OutputTokens(
        node=new_index[described.node[rows]].astype(np.int32),
        token=described.token[rows],
        logit=described.logit[rows],
    )


def _kept_foreign(foreign: dict[str, Any] | None, keep_node: np.ndarray) -> dict[str, Any] | None:
    if foreign is None or "nodes" not in foreign:
        return foreign
    return foreign | {"nodes": list(compress(foreign["nodes"], keep_node))}
