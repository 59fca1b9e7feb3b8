"""An intervention as a page asks for it: run, and told in numbers and as Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.intervention.intervention import Feature, From, Intervention, Positions
from clew.server.job_progress import JobProgress
from clew.server.open_graphs import OpenGraph
from clew.server.prompt_preview import likeliest
from clew.server.python_code import python_for

if TYPE_CHECKING:
    from clew.facade import Model
    from clew.intervention.result import InterventionResult

MOST_CHANGED = 200


def intervene(
    model: Model,
    wanted: Mapping[str, Any],
    opened: OpenGraph,
    path: Path,
    request: Mapping[str, Any],
    progress: JobProgress,
) -> dict[str, Any]:
    """What the changes of a request do; raises `ClewError` for changes that make no sense together."""
    graph = opened.graph
    progress.note("Changing features")
    groups = [(change, places_of(change, opened)) for change in request["changes"]]
    sink = sink_of(graph)
    interventions: list[Intervention] = []
    for change, places in groups:
        for positions, features in places:
            interventions += _interventions(model, graph, change, features, positions)
    prompt, strengths = graph.token_ids.tolist(), request["strengths"]
    of_ids = None if sink != "none" else "none"
    results = model.intervene(
        prompt, interventions, request["regime"], strengths=strengths, graph=graph, sink=of_ids
    )
    text = None
    if request["generate"]:
        progress.note(f"Generating {request['generate']} tokens")
        before, *after = model.generate(
            prompt, interventions, request["generate"], strengths=strengths, sink=of_ids
        )
        text = {"before": before.text, "after": [each.text for each in after]}
    return {
        "results": [_effect(model, opened, result) for result in results],
        "text": text,
        "python": python_for(wanted, path, groups, request, sink),
    }


Places = list[tuple[Positions, list[Feature]]]


def places_of(change: Mapping[str, Any], opened: OpenGraph) -> Places:
    """Where a change applies to which features; a feature counts once where its nodes would overlap."""
    if change["how"] == "swap" and change["source"] is None:
        raise ClewError("A swap needs the prompt that its values come from; give one.")
    first: dict[Feature, int] = {}
    by_position: dict[int, list[Feature]] = {}
    for node_id in dict.fromkeys(change["nodes"]):
        feature, position = feature_at(node_id, opened)
        first[feature] = min(position, first.get(feature, position))
        by_position.setdefault(position, []).append(feature)
    match change["positions"]:
        case "all":
            return [("all", list(first))]
        case "onwards":
            return [
                (From(position), [feature for feature, own in first.items() if own == position])
                for position in sorted(set(first.values()))
            ]
        case _:
            return [(position, by_position[position]) for position in sorted(by_position)]


def feature_at(node_id: str, opened: OpenGraph) -> tuple[Feature, int]:
    """The feature of a node, and its position; `ClewError` for a node that is none."""
    graph, node = opened.graph, opened.nodes.get(node_id)
    if node is None:
        raise ClewError(f"The graph has no node {node_id[:60]!a}.")
    index = int(graph.node_feature[node])
    if graph.node_kind[node] != NodeKind.FEATURE or index < 0:
        raise ClewError(f"{graph.node_name(node)} is no feature that can be changed; choose features alone.")
    return Feature(int(graph.node_layer[node]), index), int(graph.node_position[node])


def sink_of(graph: Graph) -> str | None:
    """What to give as the sink of another prompt, for the same one as the graph's."""
    return "none" if graph.info.sink is None else graph.info.sink.text


def _interventions(
    model: Model,
    graph: Graph,
    change: Mapping[str, Any],
    features: Sequence[Feature],
    positions: Positions,
) -> list[Intervention]:
    if change["how"] != "swap":
        return [Intervention(features, positions, change["how"], change["value"])]
    source = change["source"]
    return model.patch(
        features,
        source["prompt"],
        source_position=source["position"],
        positions=positions,
        graph=graph,
        sink=sink_of(graph),
    )


def _effect(model: Model, opened: OpenGraph, result: InterventionResult) -> dict[str, Any]:
    before, after = result.logits_before[-1], result.logits_after[-1]
    return {
        "strength": result.strength,
        "kl": result.kl,
        "before": likeliest(model, before),
        "after": likeliest(model, after),
        "targets": _targets(opened.graph, result),
        "changed": _changed(opened, result),
        "not_in_graph": result.not_in_graph,
    }


def _targets(graph: Graph, result: InterventionResult) -> list[dict[str, Any]]:
    """In the order of the result: the weightiest first."""
    before, after = result.logits_before[-1].double(), result.logits_after[-1].double()
    p, q = before.softmax(-1), after.softmax(-1)
    told = []
    for target, change in zip(
        sorted(graph.info.targets, key=lambda target: -target.weight), result.targets, strict=True
    ):
        token, minus = target.token_id, target.minus_id
        moved = after[token] - before[token]
        told.append(
            {
                "text": target.text,
                "before": float(p[token]) if minus is None else None,
                "after": float(q[token]) if minus is None else None,
                "logit_change": float(moved if minus is None else moved - (after[minus] - before[minus])),
                "predicted": change.predicted,
                "measured": change.measured,
            }
        )
    return told


def _changed(opened: OpenGraph, result: InterventionResult) -> list[dict[str, Any]]:
    by_hand = result.features.by_hand[:MOST_CHANGED]
    told = []
    for change in [*by_hand, *result.features.most_changed(MOST_CHANGED)]:
        node = f"{change.layer}_{change.index}_{change.position}"
        told.append(
            {
                "node": node if node in opened.nodes else None,
                "layer": change.layer,
                "position": change.position,
                "index": change.index,
                "before": change.before,
                "after": change.after,
                "by_hand": change in by_hand,
            }
        )
    return told
