"""Writes a graph as Neuronpedia's graph JSON."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from typing import Any

import numpy as np

from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import cumulative_share
from clew.graph.info_json import annotations_to_json, info_to_json, plain
from clew.graph.neuronpedia.format import (
    AUTOMATIC,
    CLEW_ANNOTATIONS,
    CLEW_FACTS,
    SETTINGS,
    WRITTEN_TYPE,
    output_label,
    pair,
    sanitized,
)
from clew.version import __version__

GENERATOR_URL = "https://pypi.org/project/clew"


def to_neuronpedia(graph: GraphArrays, slug: str | None = None) -> dict[str, Any]:
    """The graph as JSON values; `slug` is its name at Neuronpedia (by default made from the prompt).

    An imported graph keeps every field that it came with, except for labels, pins, supernodes, pruning
    thresholds and scores that changed since.
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
        values = metadata.get(group) or {}
        if value is not None and values.get(name, metadata.get(name)) != value:
            metadata[group] = {**values, name: value}
            if name == "node_threshold":
                metadata[name] = value
    if scores := info.pruned_scores or info.scores:
        metadata["replacement_score"] = plain(scores.replacement)
        metadata["completeness_score"] = plain(scores.completeness)
    if original is None or "clew" in original:
        facts = info_to_json(info)
        metadata["clew"] = {name: facts[name] for name in CLEW_FACTS if facts[name] is not None}
    notes = annotations_to_json(graph.annotations)
    if own := {name: notes[name] for name in CLEW_ANNOTATIONS if notes[name]}:
        metadata["clew"] = {**(metadata["clew"] if isinstance(metadata.get("clew"), dict) else {}), **own}
    if slug is not None:
        metadata["slug"] = sanitized(slug, "graph")
    return metadata


def _new_metadata(graph: GraphArrays) -> dict[str, Any]:
    info = graph.info
    about: dict[str, Any] = {
        "generator": {"name": "clew", "version": __version__, "url": GENERATOR_URL},
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
    share = _influence_ranks(graph)
    written = []
    for node, (node_id, original) in enumerate(zip(ids, imported, strict=True)):
        label = graph.label(node, by_rule=False) or ""
        if original is None:
            written.append(_new_node(graph, node, node_id, label, share[node]))
        elif original.get(AUTOMATIC) and not label:
            written.append(original)
        else:
            clerp = _changed_label(graph.node_kind[node], label, original["clerp"])
            fields = {name: value for name, value in original.items() if name != AUTOMATIC}
            written.append({**fields, "clerp": clerp})
    return written


def _changed_label(kind: int, label: str, original: str | None) -> str | None:
    """The label to write over an imported one; only features' labels were read and can be removed."""
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
            target = graph.target(node)
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


def _influence_ranks(graph: GraphArrays) -> list[float | None]:
    """Neuronpedia's `influence`: the cumulative share down to each node; targets have none."""
    n_targets = len(graph.info.targets)
    influence = np.nan_to_num(graph.node_influence[: graph.n_nodes - n_targets].astype(np.float64))
    if not influence.any():
        return [None] * graph.n_nodes
    return [*cumulative_share(influence).tolist(), *[None] * n_targets]


def _links(graph: GraphArrays, file_ids: list[str]) -> list[dict[str, Any]]:
    """Links with weights in the fewest digits that read as the same float32; imported weights stay exact."""
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
