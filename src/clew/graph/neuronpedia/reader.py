"""Reads Neuronpedia's graph JSON as a graph, and reports every fault by name."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from clew.errors import ClewError
from clew.graph.arrays import NodeKind
from clew.graph.consistency import check_consistency
from clew.graph.graph import Graph
from clew.graph.influence import influence
from clew.graph.info import Annotations, GraphInfo, Scores, Target
from clew.graph.info_check import check_values
from clew.graph.info_json import annotations_from_json, info_from_json
from clew.graph.neuronpedia.format import (
    AUTOMATIC,
    CLEW_ANNOTATIONS,
    CLEW_FACTS,
    LINK_FIELDS,
    METADATA_FIELDS,
    SETTINGS,
    TOP_FIELDS,
    check_fields,
    quoted,
    read_output_label,
    shown,
)
from clew.graph.neuronpedia.nodes import FileNode, in_node_order, read_nodes


def from_neuronpedia(data: Any) -> Graph:
    """The graph in the JSON values of a Neuronpedia graph file.

    Nodes come in clew's order, and influence is computed from the links. `Graph.foreign` keeps the fields
    that clew does not use. Raises `ClewError` that names a faulty item.
    """
    check_fields("the file", data, TOP_FIELDS)
    check_fields("metadata", data["metadata"], METADATA_FIELDS)
    tokens = data["metadata"]["prompt_tokens"]
    for number, token in enumerate(tokens):
        if not isinstance(token, str):
            raise ClewError(f"prompt_tokens[{number}] is {shown(token)}; expected a string.")
    nodes = in_node_order(read_nodes(data["nodes"], len(tokens)))
    source, target, weight, special_links = read_links(data["links"], nodes)
    graph = _graph(nodes, source, target, weight, _info(data["metadata"], nodes))
    if isinstance(by_clew := data["metadata"].get("clew"), dict):
        fields = {name: by_clew[name] for name in CLEW_ANNOTATIONS if name in by_clew}
        graph = replace(graph, annotations=annotations_from_json(fields))
    graph = replace(
        graph,
        annotations=_annotations(data.get("qParams") or {}, nodes, graph),
        foreign=_foreign(data, nodes, special_links),
    )
    check_values(graph)
    check_consistency(graph)
    return replace(graph, node_influence=influence(graph).astype(np.float32))


def _graph(
    nodes: list[FileNode], source: np.ndarray, target: np.ndarray, weight: np.ndarray, info: GraphInfo
) -> Graph:
    order = np.lexsort([source, target])
    token_ids = np.full(len(info.tokens), -1, dtype=np.int64)
    for node in nodes:
        if node.kind == NodeKind.TOKEN:
            token_ids[node.position] = node.feature
    activation = [node.fields.get("activation") if node.kind == NodeKind.FEATURE else None for node in nodes]
    n_targets = len(info.targets)
    if n_targets:
        activation[-n_targets:] = [goal.weight for goal in info.targets]
    return Graph(
        node_kind=np.array([node.kind for node in nodes], dtype=np.uint8),
        node_layer=np.array([node.layer for node in nodes], dtype=np.int16),
        node_position=np.array([node.position for node in nodes], dtype=np.int32),
        node_feature=np.array([node.feature for node in nodes], dtype=np.int64),
        node_activation=np.array([np.nan if a is None else a for a in activation], dtype=np.float32),
        node_influence=np.zeros(len(nodes), dtype=np.float32),
        edge_offset=np.concatenate([[0], np.cumsum(np.bincount(target, minlength=len(nodes)))]).astype(
            np.int64
        ),
        edge_source=source[order].astype(np.int32),
        edge_weight=weight[order],
        token_ids=token_ids,
        info=info,
    )


def _foreign(
    data: dict[str, Any], nodes: list[FileNode], special_links: list[dict[str, Any]]
) -> dict[str, Any]:
    """Fields for `Graph.foreign`; nodes are in node order, so that `subgraph` can select from them."""
    foreign = {
        "top": {name: value for name, value in data.items() if name not in TOP_FIELDS},
        "metadata": data["metadata"],
        "qParams": data.get("qParams") or {},
        "nodes": [node.fields for node in nodes],
        "links": special_links,
    }
    try:
        return json.loads(json.dumps(foreign, allow_nan=False))
    except (ValueError, TypeError, RecursionError):
        raise ClewError(
            "A field that clew does not use holds NaN, an infinity or no JSON value; write null there."
        ) from None


def _info(metadata: dict[str, Any], nodes: list[FileNode]) -> GraphInfo:
    targets = _targets([node for node in nodes if node.kind == NodeKind.TARGET])
    likely = sorted(targets, key=lambda target: -target.weight)
    scores: list[Any] = [metadata.get("replacement_score"), metadata.get("completeness_score")]
    about = metadata.get("info") or {}
    details = metadata.get("feature_details") or {}
    generator = about.get("generator") or {}
    if not isinstance(generator, dict):
        generator = {"name": generator}
    info = GraphInfo(
        prompt=metadata["prompt"],
        tokens=tuple(metadata["prompt_tokens"]),
        model=metadata["scan"],
        dictionary=str(about.get("transcoder_set") or details.get("neuronpedia_source_set") or ""),
        targets=targets,
        predictions=tuple((target.text, target.weight) for target in likely),
        prediction_ids=tuple(target.token_id for target in likely)
        if all(target.token_id >= 0 for target in likely)
        else (),
        scores=None if None in scores else Scores(*scores),
        settings=_settings(metadata),
        token_text={target.token_id: target.text for target in targets if target.token_id >= 0},
        created=_iso_time(about.get("create_time_ms")),
        generator=" ".join(str(generator[key]) for key in ("name", "version") if generator.get(key)),
    )
    return _with_clew_facts(info, metadata.get("clew"))


def _with_clew_facts(info: GraphInfo, facts: Any) -> GraphInfo:
    """The info with the facts that clew wrote under `metadata.clew`, if the outputs are still the same."""
    if not isinstance(facts, dict):
        return info
    facts = {name: facts[name] for name in CLEW_FACTS if name in facts}
    written = info_from_json({"prompt": info.prompt, "tokens": list(info.tokens), **facts})
    if [target.text for target in written.targets] != [target.text for target in info.targets]:
        return info
    return replace(info, **{name: getattr(written, name) for name in facts})


def _targets(nodes: list[FileNode]) -> tuple[Target, ...]:
    """Targets with the probabilities of `token_prob`, else of the label, else equal ones."""
    texts, probabilities = [], []
    for node in nodes:
        text, labelled = read_output_label(node.fields["clerp"] or "")
        probability = node.fields.get("token_prob")
        texts.append(text)
        probabilities.append(labelled if probability is None else float(probability))
    unknown = not any(probabilities)
    return tuple(
        Target(text, node.feature, 1 / len(nodes) if unknown else probability or 0.0, probability)
        for node, text, probability in zip(nodes, texts, probabilities, strict=True)
    )


def _settings(metadata: dict[str, Any]) -> dict[str, Any]:
    values = {
        setting: (metadata.get(group) or {}).get(name, metadata.get(name))
        for setting, (group, name) in SETTINGS.items()
    }
    return {setting: value for setting, value in values.items() if value is not None}


def _iso_time(milliseconds: Any) -> str:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


def _annotations(q_params: dict[str, Any], nodes: list[FileNode], graph: Graph) -> Annotations:
    """The graph's annotations with the file's labels, pins and supernodes.

    A label that equals its feature's label is not a node's own. If an error of an old file shares a feature's
    id, the id means the feature, which comes first in node order.
    """
    ids = graph.node_ids
    own_id: dict[str, str] = {}
    for node, node_id in zip(nodes, ids, strict=True):
        own_id.setdefault(node.fields["node_id"], node_id)
    labels = {
        node_id: node.fields["clerp"]
        for number, (node, node_id) in enumerate(zip(nodes, ids, strict=True))
        if node.kind == NodeKind.FEATURE
        and node.fields.get(AUTOMATIC) is not True
        and node.fields["clerp"] not in (None, "", graph.label(number))
    }
    pins = []
    for number, pin in enumerate(_list_or_text(q_params, "pinnedIds")):
        if not isinstance(pin, str):
            raise ClewError(f"qParams.pinnedIds[{number}] is {shown(pin)}; expected a node id.")
        pins.append(own_id.get(pin, pin))
    groups = []
    for number, group in enumerate(_list_or_text(q_params, "supernodes")):
        if not isinstance(group, list) or not group or not all(isinstance(part, str) for part in group):
            raise ClewError(f"qParams.supernodes[{number}] is {shown(group)}; expected a label and node ids.")
        groups.append((group[0], tuple(own_id.get(member, member) for member in group[1:])))
    return replace(graph.annotations, labels=labels, supernodes=tuple(groups), pins=tuple(pins))


def _list_or_text(q_params: dict[str, Any], name: str) -> list[Any]:
    """A list of `qParams`; older files hold it as text: JSON, or ids with commas between them."""
    value = q_params.get(name)
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ClewError(f"qParams.{name} is {shown(value)}; expected a list.") from None
    elif isinstance(value, str) and (name == "pinnedIds" or not value.strip()):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if value is None:
        return []
    if not isinstance(value, list):
        raise ClewError(f"qParams.{name} is {shown(value)}; expected a list.")
    return value


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
        raise ClewError(f"link {number}: {end} {quoted(item[end])} is not a node of this file.")
    if len(nodes) > 1:
        raise ClewError(
            f"link {number}: {end} {quoted(item[end])} is the id of {len(nodes)} nodes of this file (in old "
            "files, errors have ids of features); write the file again with a newer version of its tool."
        )
    return nodes[0]


def _refuse_duplicates(items: list[Any], key: Int64[np.ndarray, " edge"]) -> None:
    order = np.argsort(key, kind="stable")
    same = key[order[1:]] == key[order[:-1]]
    if same.any():
        first, second = order[int(np.argmax(same)) :][:2]
        item = items[second]
        raise ClewError(
            f"link {second}: {quoted(item['source'])} -> {quoted(item['target'])} is already link {first}; "
            "expected one link for each pair."
        )
