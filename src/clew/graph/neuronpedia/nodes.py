"""The nodes of a Neuronpedia graph file, in clew's kinds and order."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any, NamedTuple

from clew.errors import ClewError
from clew.graph.arrays import NodeKind
from clew.graph.neuronpedia.format import FEATURE_TYPES, NODE_FIELDS, check_fields, index_in_id, quoted, shown

LARGEST_LAYER = 2**15 - 2
LARGEST_FEATURE = 2**62


class FileNode(NamedTuple):
    """A node of the file: clew's kind, layer, position and index, and the fields of the file."""

    kind: NodeKind
    layer: int
    position: int
    feature: int
    fields: dict[str, Any]


def read_nodes(items: list[Any], n_positions: int) -> list[FileNode]:
    """All nodes in the file's order; raises `ClewError` that names a faulty node."""
    seen: dict[tuple[str, str], int] = {}
    n_sources: Counter[tuple[int, int]] = Counter()
    nodes = []
    for number, item in enumerate(items):
        check_fields(f"node {number}", item, NODE_FIELDS)
        where = f"node {number} ({quoted(item['node_id'])})"
        if item["feature_type"] not in FEATURE_TYPES:
            raise ClewError(
                f'{where}: "feature_type" is {quoted(item["feature_type"])}; '
                f"expected one of {', '.join(FEATURE_TYPES)}."
            )
        first = seen.setdefault((item["node_id"], item["feature_type"]), number)
        if first != number:
            raise ClewError(f"{where}: node {first} already has this id; expected it once.")
        if not 0 <= item["ctx_idx"] < n_positions:
            raise ClewError(
                f'{where}: "ctx_idx" is {item["ctx_idx"]}; '
                f"the prompt has {n_positions} tokens, numbered from 0."
            )
        kind, layer = FEATURE_TYPES[item["feature_type"]], _layer(where, item)
        rank = n_sources[layer, item["ctx_idx"]]
        feature = _feature(where, item, kind, rank)
        n_sources[layer, item["ctx_idx"]] += item["feature_type"] in ("bias", "unknown")
        nodes.append(FileNode(kind, layer, item["ctx_idx"], feature, item))
    return nodes


def _layer(where: str, item: dict[str, Any]) -> int:
    if item["feature_type"] == "embedding":
        return -1
    try:
        layer = int(item["layer"])
    except ValueError:
        layer = -1
    if not 0 <= layer <= LARGEST_LAYER:
        raise ClewError(
            f'{where}: "layer" is {shown(item["layer"])}; expected a number from 0 to {LARGEST_LAYER}.'
        )
    return layer


def _feature(where: str, item: dict[str, Any], kind: NodeKind, rank: int) -> int:
    """`Graph.node_feature`: negative numbers are even for attention features, odd for errors."""
    match item["feature_type"]:
        case "mlp reconstruction error":
            return -1
        case "lorsa error":
            return -3
        case "bias" | "unknown":
            return -5 - 2 * rank
    index = index_in_id(item["node_id"])
    if index is None or not -LARGEST_FEATURE < index < LARGEST_FEATURE:
        spelling = "E_{token}_{position}" if kind == NodeKind.TOKEN else "{layer}_{index}_{position}"
        raise ClewError(f'{where}: "node_id" is not of the form {spelling}.')
    if kind == NodeKind.TARGET:
        return max(index, -1)
    if index < 0:
        raise ClewError(f'{where}: "node_id" names index {index}; expected a number from 0.')
    return -2 * (index + 1) if item["feature_type"] == "lorsa" else index


def in_node_order(nodes: list[FileNode]) -> list[FileNode]:
    """The nodes by kind, layer, position and index; targets are on the layer above all others."""
    top = max((node.layer for node in nodes if node.kind != NodeKind.TARGET), default=-1)
    written = min((node.layer for node in nodes if node.kind == NodeKind.TARGET), default=0)
    n_layers = max(top + 1, written - 1)
    placed = [node._replace(layer=n_layers) if node.kind == NodeKind.TARGET else node for node in nodes]
    ordered = sorted(placed, key=lambda node: node[:4])
    for one, other in pairwise(ordered):
        is_difference = one.kind == NodeKind.TARGET and one.feature < 0
        if one[:4] == other[:4] and not is_difference:
            raise ClewError(
                f'nodes "{one.fields["node_id"]}" and "{other.fields["node_id"]}" are the same '
                f"{one.kind.name.lower()} at the same position; expected it once."
            )
    return ordered
