"""The links of a Neuronpedia graph file, as edges between nodes in clew's order."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from clew.errors import ClewError
from clew.graph.neuronpedia.fields import LINK_FIELDS, check_fields
from clew.graph.neuronpedia.nodes import FileNode


def read_links(
    items: list[Any], nodes: list[FileNode]
) -> tuple[
    Int64[np.ndarray, " edge"], Int64[np.ndarray, " edge"], Float32[np.ndarray, " edge"], list[dict[str, Any]]
]:
    """Source node, target node and weight of every link, in the file's order.

    The fourth result holds the links that these arrays cannot restore: links with further fields, or with a
    weight that float32 rounds. Raises `ClewError` that names a faulty link.
    """
    by_id: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        by_id.setdefault(node.fields["node_id"], []).append(index)
    source = np.zeros(len(items), dtype=np.int64)
    target = np.zeros(len(items), dtype=np.int64)
    exact = np.zeros(len(items))
    for number, item in enumerate(items):
        check_fields(f"link {number}", item, LINK_FIELDS)
        source[number] = _node_of(number, "source", item, by_id)
        target[number] = _node_of(number, "target", item, by_id)
        exact[number] = item["weight"]
    _refuse_duplicates(items, target * len(nodes) + source)
    weight = exact.astype(np.float32)
    rounded = weight != exact
    special = [item for number, item in enumerate(items) if rounded[number] or len(item) > len(LINK_FIELDS)]
    return source, target, weight, special


def _node_of(number: int, end: str, item: dict[str, Any], by_id: dict[str, list[int]]) -> int:
    nodes = by_id.get(item[end], [])
    if not nodes:
        raise ClewError(f'link {number}: {end} "{item[end]}" is not a node of this file.')
    if len(nodes) > 1:
        raise ClewError(
            f'link {number}: {end} "{item[end]}" is the id of {len(nodes)} nodes of this file (in old files, '
            "errors have ids of features); write the file again with a newer version of its tool."
        )
    return nodes[0]


def _refuse_duplicates(items: list[Any], key: Int64[np.ndarray, " edge"]) -> None:
    order = np.argsort(key, kind="stable")
    same = key[order[1:]] == key[order[:-1]]
    if same.any():
        first, second = order[int(np.argmax(same)) :][:2]
        item = items[second]
        raise ClewError(
            f'link {second}: "{item["source"]}" -> "{item["target"]}" is already link {first}; '
            "expected one link for each pair."
        )
