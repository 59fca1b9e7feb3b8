"""A graph as Neuronpedia's graph JSON."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.metadata import annotations_to_json, info_to_json, plain
from clew.graph.neuronpedia.format import (
    AUTOMATIC,
    KEPT_ANNOTATIONS,
    KEPT_FACTS,
    SETTINGS,
    WRITTEN_TYPE,
    output_label,
    pair,
    sanitized,
)

GENERATOR_URL = "https://pypi.org/project/clew"


def to_neuronpedia(graph: GraphArrays, slug: str | None = None) -> dict[str, Any]:
    """The graph as JSON values; `slug` is its name there (by default made from the prompt).

    A graph that was imported keeps every field it came with, except what has changed since:
    labels, pins, supernodes, pruning thresholds and scores.
    """
    foreign = graph.foreign or {}
    imported: list[dict[str, Any] | None] = foreign.get("nodes") or [None] * graph.n_nodes
    ids = graph.node_ids
    file_ids = [
        node_id if original is None else original["node_id"]
        for node_id, original in zip(ids, imported, strict=True)
    ]
    return {
        **foreign.get("top", {}),
        "metadata": _metadata(graph, slug),
        "qParams": _q_params(graph, dict(zip(ids, file_ids, strict=True))),
        "nodes": _nodes(graph, ids, imported),
        "links": _links(graph, file_ids),
    }


def _metadata(graph: GraphArrays, slug: str | None) -> dict[str, Any]:
    info = graph.info
    original = (graph.foreign or {}).get("metadata")
    metadata = _new_metadata(graph) if original is None else deepcopy(original)
    for setting, (group, name) in SETTINGS.items():
        value = plain(info.settings.get(setting))
        known = metadata.get(group) or {}
        if value is not None and known.get(name, metadata.get(name)) != value:
            metadata[group] = {**known, name: value}
            if name == "node_threshold":
                metadata[name] = value
    if scores := info.pruned_scores or info.scores:
        metadata["replacement_score"] = plain(scores.replacement)
        metadata["completeness_score"] = plain(scores.completeness)
    if original is None or "clew" in original:
        facts = info_to_json(info)
        metadata["clew"] = {name: facts[name] for name in KEPT_FACTS if facts[name] is not None}
    notes = annotations_to_json(graph.annotations)
    if kept := {name: notes[name] for name in KEPT_ANNOTATIONS if notes[name]}:
        metadata["clew"] = {**(metadata["clew"] if isinstance(metadata.get("clew"), dict) else {}), **kept}
    if slug is not None:
        metadata["slug"] = sanitized(slug, "graph")
    return metadata


def _new_metadata(graph: GraphArrays) -> dict[str, Any]:
    info = graph.info
    about: dict[str, Any] = {
        "generator": {"name": "clew", "version": _own_version(), "url": GENERATOR_URL},
        "transcoder_set": info.dictionary,
    }
    if (created := _milliseconds(info.created)) is not None:
        about["create_time_ms"] = created
    return {
        "slug": sanitized(info.prompt, "graph"),
        "scan": sanitized(info.model.rstrip("/").rpartition("/")[2], "unknown"),
        "prompt": info.prompt,
        "prompt_tokens": list(info.tokens),
        "schema_version": 1,
        "info": about,
    }


def _own_version() -> str:
    try:
        return version("clew")
    except PackageNotFoundError:
        return "0"


def _milliseconds(created: str) -> int | None:
    try:
        return round(datetime.fromisoformat(created).timestamp() * 1000)
    except ValueError:
        return None


def _q_params(graph: GraphArrays, file_id: dict[str, str]) -> dict[str, Any]:
    original = (graph.foreign or {}).get("qParams", {"linkType": "both", "clickedId": "", "sg_pos": ""})
    pins, supernodes = graph.annotations.pins, graph.annotations.supernodes
    return {
        **original,
        "pinnedIds": [file_id.get(pin, pin) for pin in pins],
        "supernodes": [
            [name, *(file_id.get(node, node) for node in members)] for name, members in supernodes
        ],
    }


def _nodes(graph: GraphArrays, ids: list[str], imported: list[dict[str, Any] | None]) -> list[dict[str, Any]]:
    share = cumulative_share(graph)
    written = []
    for node, (node_id, original) in enumerate(zip(ids, imported, strict=True)):
        label = graph.label(node, by_rule=False) or ""
        if original is None:
            written.append(_new_node(graph, node, node_id, label, share[node]))
        elif original.get(AUTOMATIC) and not label:
            written.append(original)
        else:
            known = {name: value for name, value in original.items() if name != AUTOMATIC}
            clerp = _changed_label(graph.node_kind[node], label, original["clerp"])
            written.append({**known, "clerp": clerp})
    return written


def _changed_label(kind: int, label: str, original: str | None) -> str | None:
    """A feature's label was read on import, so an empty one was removed; other kinds keep theirs."""
    if kind == NodeKind.FEATURE:
        return original if label == (original or "") else label
    return original if kind == NodeKind.TARGET else label or original


def _new_node(graph: GraphArrays, node: int, node_id: str, label: str, share: float | None) -> dict[str, Any]:
    kind = NodeKind(graph.node_kind[node])
    layer, position = int(graph.node_layer[node]), int(graph.node_position[node])
    feature, activation = int(graph.node_feature[node]), float(graph.node_activation[node])
    probability, is_target = 0.0, False
    layer_text, number, script_id = str(layer), -1, f"{layer}_{position}-0"
    automatic = False
    match kind:
        case NodeKind.FEATURE:
            number, script_id = pair(layer, feature), f"{layer}_{feature}-0"
            automatic = not label
            label = label or graph.label(node) or ", ".join(text.strip() for text in graph.promoted(node, 5))
        case NodeKind.TOKEN:
            layer_text, number, script_id = "E", position, f"E_{feature}-{position}"
        case NodeKind.TARGET:
            target = graph.info.targets[node - int(graph.of_kind(NodeKind.TARGET)[0])]
            probability = target.weight if target.probability is None else target.probability
            is_target = target is max(graph.info.targets, key=lambda other: other.weight)
            label = output_label(target.text, probability)
            layer_text, number, script_id = str(layer + 1), feature, f"L_{feature}-{position}"
    return {
        "node_id": node_id,
        "feature": number,
        "layer": layer_text,
        "ctx_idx": position,
        "feature_type": WRITTEN_TYPE[kind],
        "token_prob": probability,
        "is_target_logit": is_target,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": script_id,
        "clerp": label,
        "influence": share,
        "activation": activation if kind == NodeKind.FEATURE and np.isfinite(activation) else None,
        **({AUTOMATIC: True} if automatic and label else {}),
    }


def cumulative_share(graph: GraphArrays) -> list[float | None]:
    """Share of the influence that is reached with each node, from the most influential down.

    A low value is an influential node; targets have none.
    """
    ranked = np.flatnonzero(graph.node_kind != NodeKind.TARGET)
    found = np.nan_to_num(graph.node_influence[ranked].astype(np.float64))
    order = np.argsort(-found, kind="stable")
    total = found.sum()
    share: list[float | None] = [None] * graph.n_nodes
    if total > 0:
        cumulative = np.minimum(np.cumsum(found[order]) / total, 1.0)
        for node, value in zip(ranked[order].tolist(), cumulative.tolist(), strict=True):
            share[node] = value
    return share


def _links(graph: GraphArrays, file_ids: list[str]) -> list[dict[str, Any]]:
    """Weights in the shortest spelling that reads back as the same float32; imported ones exactly."""
    edges = zip(
        graph.edge_source.tolist(), graph.edge_target.tolist(), graph.edge_weight.tolist(), strict=True
    )
    if graph.foreign is None:
        return [
            {"source": file_ids[s], "target": file_ids[t], "weight": float(f"{w:.9g}")} for s, t, w in edges
        ]
    special = {(link["source"], link["target"]): link for link in graph.foreign.get("links", [])}
    written = []
    for source, target, weight in edges:
        pair_of_ids = file_ids[source], file_ids[target]
        link = {"source": pair_of_ids[0], "target": pair_of_ids[1], "weight": weight}
        original = special.get(pair_of_ids)
        if original is not None:
            unchanged = float(np.float32(original["weight"])) == weight
            link = {**original, "weight": original["weight"] if unchanged else weight}
        written.append(link)
    return written
