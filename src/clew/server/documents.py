"""Annotations as a graph file holds them, and as the keys and values that pages change."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from clew.graph.graph import NodeKind
from clew.graph.info import Annotations
from clew.server.annotations import Values
from clew.server.open_graphs import OpenGraph, feature_name

FEATURE_LABELS = "feature_labels" in {field.name for field in fields(Annotations)}


def values_of(annotations: Annotations, opened: OpenGraph) -> Values:
    """What a file's annotations say about nodes that the graph has."""
    nodes, colors = opened.nodes, getattr(annotations, "supernode_colors", {})
    values: Values = {f"label:{node}": text for node, text in annotations.labels.items() if node in nodes}
    values |= {f"pin:{node}": True for node in annotations.pins if node in nodes}
    labels = getattr(annotations, "feature_labels", {})
    values |= {f"feature:{name}": text for name, text in labels.items() if name in opened.features}
    for number, (name, members) in enumerate(annotations.supernodes, start=1):
        kept = list(dict.fromkeys(member for member in members if member in nodes))
        if kept:
            values[f"group:{number}"] = {"name": name, "members": kept, "color": colors.get(name)}
    return values


def annotations_of(values: Values, opened: OpenGraph) -> Annotations:
    """The inverse of `values_of`."""
    found: dict[str, dict[str, Any]] = {"label": {}, "pin": {}, "feature": {}, "group": {}}
    for key, value in values.items():
        kind, _, name = key.partition(":")
        found[kind][name] = value
    groups = list(found["group"].values())
    extra: dict[str, Any] = {}
    if FEATURE_LABELS:
        colors = {group["name"]: group["color"] for group in groups if group["color"]}
        extra = {"feature_labels": found["feature"], "supernode_colors": colors}
    else:
        for node in opened.graph.of_kind(NodeKind.FEATURE).tolist():
            if (label := found["feature"].get(feature_name(opened.graph, node))) is not None:
                found["label"].setdefault(opened.node_ids[node], label)
    return Annotations(
        labels=found["label"],
        supernodes=tuple((group["name"], tuple(group["members"])) for group in groups),
        pins=tuple(found["pin"]),
        **extra,
    )
