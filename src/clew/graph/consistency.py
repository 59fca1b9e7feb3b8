"""Consistency of a graph: every array fits the others, and no edges form a cycle."""

from __future__ import annotations

import re
from dataclasses import astuple

import numpy as np

from clew.errors import ClewError
from clew.feature import Feature
from clew.graph.arrays import ARRAY_TYPES, OPTIONAL_NODE_ARRAYS, GraphArrays, NodeKind
from clew.graph.info import Annotations
from clew.graph.topological_order import topological_levels

COLOR = re.compile(r"#[0-9a-fA-F]{6}")
FARTHEST = 100_000
"""Pixels that a box may lie away from the corner of its drawing."""


def check_consistency(graph: GraphArrays) -> None:
    """Raise `ClewError` that names the first fault of the graph, if it has one."""
    _check_types(graph)
    _check_roles(graph)
    _check_nodes(graph)
    _check_edges(graph)
    _check_duplicate_nodes(graph)
    _check_optional_arrays(graph)
    check_finite(graph)
    _check_annotations(graph.annotations)
    topological_levels(graph)


def check_finite(graph: GraphArrays) -> None:
    """Raise `ClewError` that names the first number of the graph that is infinite or NaN.

    Errors and tokens have no activation and no row, and features of an imported graph may lack activations.
    """
    _check_weights(graph)
    expected = "; expected a finite number"
    kind, activation = graph.node_kind, graph.node_activation
    is_feature, is_target = kind == NodeKind.FEATURE, kind == NodeKind.TARGET
    _refuse_nodes(
        is_target & ~np.isfinite(activation), "is a target of weight {}" + expected, graph.node_activation
    )
    unknown = np.isnan(activation) if graph.foreign is not None else np.zeros(graph.n_nodes, dtype=bool)
    _refuse_nodes(
        is_feature & ~np.isfinite(activation) & ~unknown, "has the activation {}" + expected, activation
    )
    _refuse_nodes(~np.isfinite(graph.node_influence), "has the influence {}" + expected, graph.node_influence)
    for values, name in ((graph.node_constant, "constant"), (graph.node_total, "total")):
        if values is not None:
            wrong = (is_feature | is_target) & ~np.isfinite(values)
            _refuse_nodes(wrong, f"has a row whose {name} is {{}}" + expected, values)
    if (described := graph.output_tokens) is not None and not np.isfinite(described.logit).all():
        row = int(np.argmin(np.isfinite(described.logit).all(axis=1)))
        raise ClewError(
            f"Node {described.node[row]} has an output token whose logit is not finite; expected a number."
        )


def _check_weights(graph: GraphArrays) -> None:
    finite = np.isfinite(graph.edge_weight)
    if not finite.all():
        edge = int(np.argmin(finite))
        target = int(np.searchsorted(graph.edge_offset, edge, side="right")) - 1
        raise ClewError(
            f"The edge {graph.node_id(int(graph.edge_source[edge]))} -> {graph.node_id(target)} has weight "
            f"{graph.edge_weight[edge]}; expected a finite number."
        )


def _check_types(graph: GraphArrays) -> None:
    for name, dtype in ARRAY_TYPES.items():
        array = getattr(graph, name)
        if array.dtype != dtype or array.ndim != 1:
            raise ClewError(
                f"The array {name} is {array.dtype} {array.shape}; expected one dimension of {dtype}."
            )
    lengths = {name: graph.n_nodes for name in ARRAY_TYPES if name.startswith("node_")}
    lengths |= {"edge_offset": graph.n_nodes + 1, "edge_weight": graph.n_edges}
    lengths["token_ids"] = len(graph.info.tokens)
    for name, length in lengths.items():
        if len(getattr(graph, name)) != length:
            raise ClewError(
                f"The array {name} has {len(getattr(graph, name)):,} entries; expected {length:,}."
            )


def _check_roles(graph: GraphArrays) -> None:
    n_roles, n_tokens = len(graph.info.roles), len(graph.info.tokens)
    if n_roles not in (0, n_tokens):
        raise ClewError(
            f"The graph has {n_roles:,} roles of tokens; expected one for each of its {n_tokens:,} tokens."
        )


def _check_nodes(graph: GraphArrays) -> None:
    kind, layer, position = graph.node_kind, graph.node_layer, graph.node_position
    _refuse_nodes(kind > max(NodeKind), "has kind {}; known kinds are 0 to 3", kind)
    _refuse_nodes(
        np.concatenate([[False], kind[1:] < kind[:-1]]),
        "has kind {} but follows a node of a higher kind; the order is features, errors, tokens, targets",
        kind,
    )
    n_positions = len(graph.token_ids)
    _refuse_nodes(
        (position < 0) | (position >= n_positions),
        f"is at position {{}}; the prompt has {n_positions} tokens, numbered from 0",
        position,
    )
    is_token = kind == NodeKind.TOKEN
    _refuse_nodes(is_token & (layer != -1), "is a token in layer {}; tokens have layer -1", layer)
    _refuse_nodes(~is_token & (layer < 0), "has layer {}; only tokens are below layer 0", layer)
    is_target = kind == NodeKind.TARGET
    if graph.info.prediction_ids and len(graph.info.prediction_ids) != len(graph.info.predictions):
        raise ClewError(
            f"The graph names {len(graph.info.prediction_ids)} ids for {len(graph.info.predictions)} "
            "predictions; expected one for each."
        )
    if len(graph.info.targets) != is_target.sum():
        raise ClewError(
            f"The graph describes {len(graph.info.targets)} targets but has {is_target.sum()} target nodes; "
            "expected one description for each."
        )


def _refuse_nodes(wrong: np.ndarray, problem: str, values: np.ndarray) -> None:
    if wrong.any():
        node = int(np.argmax(wrong))
        raise ClewError(f"Node {node} {problem.format(values[node])}.")


def _check_edges(graph: GraphArrays) -> None:
    offset, source = graph.edge_offset, graph.edge_source
    if offset[0] != 0 or offset[-1] != graph.n_edges:
        raise ClewError(
            f"edge_offset runs from {offset[0]} to {offset[-1]}; expected 0 to {graph.n_edges}, the number "
            "of edges."
        )
    falls = np.diff(offset) < 0
    if falls.any():
        raise ClewError(f"edge_offset falls after node {int(np.argmax(falls))}; expected it never to fall.")
    if graph.n_edges == 0:
        return
    if source.min() < 0 or source.max() >= graph.n_nodes:
        edge = int(np.argmax((source < 0) | (source >= graph.n_nodes)))
        raise ClewError(
            f"Edge {edge} comes from node {source[edge]}; the {graph.n_nodes} nodes are numbered from 0."
        )
    keys = np.sort(graph.edge_target.astype(np.int64) * graph.n_nodes + source)
    if (twice := keys[1:][keys[1:] == keys[:-1]]).size:
        target, origin = divmod(int(twice[0]), graph.n_nodes)
        raise ClewError(
            f"The edge {graph.node_id(origin)} -> {graph.node_id(target)} is given twice; expected it once."
        )


def _check_duplicate_nodes(graph: GraphArrays) -> None:
    """Refuse two nodes with the same id; differences are exempt, because ids count them."""
    named = np.flatnonzero((graph.node_kind != NodeKind.TARGET) | (graph.node_feature >= 0))
    is_error = graph.node_kind == NodeKind.ERROR
    id_kind = np.where(is_error, NodeKind.FEATURE, graph.node_kind)
    keys = [graph.node_feature, graph.node_position, graph.node_layer, id_kind]
    order = named[np.lexsort([key[named] for key in keys])]
    same = np.logical_and.reduce([key[order[1:]] == key[order[:-1]] for key in keys])
    if same.any():
        first, second = order[int(np.argmax(same)) :][:2]
        raise ClewError(
            f"Nodes {first} and {second} both have the id {graph.node_id(int(first))}; expected it once."
        )


def _check_optional_arrays(graph: GraphArrays) -> None:
    for name in OPTIONAL_NODE_ARRAYS:
        array = getattr(graph, name)
        if array is not None and (array.shape != (graph.n_nodes,) or array.dtype != np.float32):
            raise ClewError(
                f"The array {name} is {array.dtype} {array.shape}; expected float32 ({graph.n_nodes},)."
            )
    if graph.node_left_out is not None:
        wrong = ~(np.isfinite(graph.node_left_out) & (graph.node_left_out >= 0))
        _refuse_nodes(wrong, "has an error of {}; expected a finite number from 0", graph.node_left_out)
    described = graph.output_tokens
    if described is None:
        return
    node, token, logit = described.node, described.token, described.logit
    if node.ndim != 1 or token.ndim != 2 or token.shape != logit.shape or len(token) != len(node):
        raise ClewError(
            f"Output tokens have the shapes {node.shape}, {token.shape} and {logit.shape}; "
            "expected (k,), (k, 20) and (k, 20)."
        )
    if len(node) and (node.min() < 0 or node.max() >= graph.n_nodes):
        raise ClewError(f"Output tokens describe a node outside the {graph.n_nodes} nodes of the graph.")
    if len(np.unique(node)) < len(node):
        raise ClewError("Output tokens describe a node twice; expected it once.")
    if token.size and token.min() < 0:
        raise ClewError(f"Output tokens name the token id {token.min()}; expected a number from 0.")


def _check_annotations(annotations: Annotations) -> None:
    for name in annotations.feature_labels:
        if Feature.match(name) is None:
            raise ClewError(f"A label belongs to the feature {name!r}; expected a name such as L12/4031.")
    for name, color in annotations.supernode_colors.items():
        if not COLOR.fullmatch(color):
            raise ClewError(f"The supernode {name!r} has the color {color!r}; expected one such as #1f77b4.")
    for name, place in (annotations.supernode_places | annotations.node_places).items():
        numbers = [value for value in astuple(place) if value is not None]
        if not all(abs(value) <= FARTHEST for value in numbers) or min(numbers[2:], default=0) < 0:
            raise ClewError(
                f"The box of {name!r} has the place {numbers}; expected x, y, width and height in pixels, "
                f"at most {FARTHEST:,}, and no size below 0."
            )
