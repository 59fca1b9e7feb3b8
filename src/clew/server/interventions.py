"""Interventions of a request: placed on a graph's prompt, made, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clew.errors import ClewError
from clew.feature import Feature, FeatureAt
from clew.graph.graph import Graph, NodeKind
from clew.intervention.intervention import From, Intervention, Positions
from clew.server.job_progress import JobProgress
from clew.server.open_graphs import OpenGraph
from clew.server.prompt_preview import likeliest_tokens
from clew.server.schemas.jobs import (
    ChangedFeature,
    Continuation,
    Effect,
    InterveneRequest,
    NodeChange,
    TargetEffect,
)

if TYPE_CHECKING:
    from clew.facade import Model
    from clew.intervention.result import InterventionResult

MOST_CHANGED = 200


@dataclass(frozen=True)
class PlacedChange:
    """A change of features at the positions that it is for."""

    change: NodeChange
    positions: Positions
    features: Sequence[Feature]


def place_changes(changes: Sequence[NodeChange], opened: OpenGraph) -> list[PlacedChange]:
    """Turn changes of nodes into changes of features; one that its nodes name twice counts once.

    Raises `ClewError` for a node that is no feature, and for a patch without a source.
    """
    return [placed for change in changes for placed in _place(change, opened)]


def _place(change: NodeChange, opened: OpenGraph) -> list[PlacedChange]:
    if change.how == "patch" and change.source is None:
        raise ClewError("A patch takes values from another prompt; give one as its source.")
    first: dict[Feature, int] = {}
    by_position: dict[int, list[Feature]] = {}
    for node_id in dict.fromkeys(change.nodes):
        at = _feature_at(node_id, opened)
        feature = Feature(at.layer, at.index)
        first[feature] = min(at.position, first.get(feature, at.position))
        by_position.setdefault(at.position, []).append(feature)
    match change.positions:
        case "all":
            return [PlacedChange(change, "all", list(first))]
        case "onwards":
            return [
                PlacedChange(
                    change, From(position), [feature for feature, own in first.items() if own == position]
                )
                for position in sorted(set(first.values()))
            ]
        case _:
            return [PlacedChange(change, position, by_position[position]) for position in sorted(by_position)]


def _feature_at(node_id: str, opened: OpenGraph) -> FeatureAt:
    graph, node = opened.graph, opened.nodes.get(node_id)
    if node is None:
        raise ClewError(f"The graph has no node {node_id[:60]!a}.")
    if graph.node_kind[node] != NodeKind.FEATURE or graph.node_feature[node] < 0:
        raise ClewError(f"{graph.node_name(node)} is not a feature that can be changed; choose features.")
    return graph.feature_at(node)


def measure(
    model: Model,
    opened: OpenGraph,
    changes: Sequence[PlacedChange],
    request: InterveneRequest,
    progress: JobProgress,
) -> tuple[list[Effect], Continuation | None]:
    """The effects of the changes at each strength, and the text that is generated with them."""
    graph = opened.graph
    progress.note("Changing features")
    interventions = [each for placed in changes for each in _interventions(model, graph, placed)]
    prompt, sink = graph.token_ids.tolist(), sink_of_token_ids(graph)
    results = model.intervene(
        prompt, interventions, request.regime, strengths=request.strengths, graph=graph, sink=sink
    )
    text = None
    if request.generate:
        progress.note(f"Generating {request.generate} tokens")
        before, *after = model.generate(
            prompt, interventions, request.generate, strengths=request.strengths, sink=sink
        )
        text = Continuation(before=before.text, after=[each.text for each in after])
    return [_effect(model, opened, result) for result in results], text


def sink_of_text(graph: Graph) -> str:
    """The sink with which a text is read as the graph's prompt was."""
    return "none" if graph.info.sink is None else graph.info.sink.text


def sink_of_token_ids(graph: Graph) -> str | None:
    """The sink with which the graph's token ids are read; they hold it already."""
    return "none" if graph.info.sink is None else None


def _interventions(model: Model, graph: Graph, placed: PlacedChange) -> list[Intervention]:
    change, source = placed.change, placed.change.source
    if change.how != "patch" or source is None:
        return [Intervention(placed.features, placed.positions, change.how, change.value)]
    return model.patch(
        placed.features,
        source.prompt,
        source_position=source.position,
        positions=placed.positions,
        graph=graph,
        sink=sink_of_text(graph),
    )


def _effect(model: Model, opened: OpenGraph, result: InterventionResult) -> Effect:
    return Effect(
        strength=result.strength,
        kl=result.kl,
        before=likeliest_tokens(model, result.logits_before[-1]),
        after=likeliest_tokens(model, result.logits_after[-1]),
        targets=_target_effects(opened.graph, result),
        changed=_changed_features(opened, result),
        not_in_graph=result.not_in_graph,
    )


def _target_effects(graph: Graph, result: InterventionResult) -> list[TargetEffect]:
    """The effects on targets in the order of the result: the largest weight first."""
    before, after = result.logits_before[-1].double(), result.logits_after[-1].double()
    p, q, change = before.softmax(-1), after.softmax(-1), after - before
    targets = sorted(graph.info.targets, key=lambda target: -target.weight)
    return [
        TargetEffect(
            text=target.text,
            before=float(p[target.token_id]) if target.minus_id is None else None,
            after=float(q[target.token_id]) if target.minus_id is None else None,
            logit_change=float(
                change[target.token_id] - (0 if target.minus_id is None else change[target.minus_id])
            ),
            predicted=effect.predicted,
            measured=effect.measured,
        )
        for target, effect in zip(targets, result.targets, strict=True)
    ]


def _changed_features(opened: OpenGraph, result: InterventionResult) -> list[ChangedFeature]:
    by_hand = result.features.by_hand[:MOST_CHANGED]
    others = result.features.most_changed(MOST_CHANGED)
    rows = [(change, True) for change in by_hand] + [(change, False) for change in others]
    return [
        ChangedFeature(
            node=node
            if (node := f"{change.layer}_{change.index}_{change.position}") in opened.nodes
            else None,
            layer=change.layer,
            position=change.position,
            index=change.index,
            before=change.before,
            after=change.after,
            by_hand=named,
        )
        for change, named in rows
    ]
