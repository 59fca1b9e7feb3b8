"""Annotations as a graph file holds them, and as the keys and values that pages change."""

from __future__ import annotations

from typing import Any

from clew.graph.info import Annotations
from clew.server.annotations import Values
from clew.server.open_graphs import OpenGraph


def values_of(annotations: Annotations, opened: OpenGraph) -> Values:
    """What a file's annotations say about nodes and features that the graph has."""
    nodes, features, colors = opened.nodes, opened.features, annotations.supernode_colors
    values: Values = {f"label:{node}": text for node, text in annotations.labels.items() if node in nodes}
    values |= {f"pin:{node}": True for node in annotations.pins if node in nodes}
    values |= {
        f"feature:{name}": text for name, text in annotations.feature_labels.items() if name in features
    }
    for number, (name, members) in enumerate(annotations.supernodes, start=1):
        kept = list(dict.fromkeys(member for member in members if member in nodes))
        if kept:
            values[f"group:{number:04}"] = {"name": name, "members": kept, "color": colors.get(name)}
    return values


def annotations_of(values: Values) -> Annotations:
    """The inverse of `values_of`, save for the ids of groups."""
    found: dict[str, dict[str, Any]] = {"label": {}, "pin": {}, "feature": {}, "group": {}}
    for key in sorted(values):
        kind, _, name = key.partition(":")
        found[kind][name] = values[key]
    groups = list(found["group"].values())
    return Annotations(
        labels=found["label"],
        supernodes=tuple((group["name"], tuple(group["members"])) for group in groups),
        pins=tuple(found["pin"]),
        feature_labels=found["feature"],
        supernode_colors={group["name"]: group["color"] for group in groups if group["color"]},
    )
