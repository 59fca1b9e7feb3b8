"""Interventions of a request: placed on a graph's prompt, made, measured, and written as Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clew.errors import ClewError
from clew.feature import Feature, FeatureAt
from clew.graph.graph import Graph, NodeKind
from clew.intervention.intervention import From, Intervention, Positions, Source
from clew.load_settings import LoadSettings
from clew.model.messages import PromptLike, with_question
from clew.options import options_of
from clew.server.job_queue import JobProgress
from clew.server.open_graphs import OpenGraph
from clew.server.prompt_preview import likeliest_tokens
from clew.server.schemas.jobs import (
    ChangedFeature,
    Continuation,
    Effect,
    InterveneRequest,
    InterventionOutcome,
    NodeChange,
    NodeValues,
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
    source_prompt: PromptLike = ""
    """The prompt that a patch takes its values from: on a graph of a chat, a chat too."""


def place_changes(changes: Sequence[NodeChange], opened: OpenGraph) -> list[PlacedChange]:
    """Changes of features, each once; raises `ClewError` for other nodes, and a patch without a source."""
    return [placed for change in changes for placed in _place(change, opened)]


def _place(change: NodeChange, opened: OpenGraph) -> list[PlacedChange]:
    if change.how == "patch" and change.source is None:
        raise ClewError("A patch takes values from another prompt; give one as its source.")
    first: dict[Feature, int] = {}
    by_position: dict[int, list[Feature]] = {}
    for node_id in dict.fromkeys(change.nodes):
        at = feature_at(node_id, opened)
        first[at.feature] = min(at.position, first.get(at.feature, at.position))
        by_position.setdefault(at.position, []).append(at.feature)
    prompt = _source_prompt(change, opened.graph)
    if change.positions == "all":
        return [PlacedChange(change, "all", list(first), prompt)]
    onwards = change.positions == "onwards"
    if onwards:
        by_position = {at: [each for each, own in first.items() if own == at] for at in first.values()}
    return [
        PlacedChange(change, From(at) if onwards else at, by_position[at], prompt)
        for at in sorted(by_position)
    ]


def _source_prompt(change: NodeChange, graph: Graph) -> PromptLike:
    text = change.source.prompt if change.source else ""
    chat = [{"role": role, "content": content} for role, content in graph.info.messages]
    return with_question(chat, text) if chat and text else text


def feature_at(node_id: str, opened: OpenGraph) -> FeatureAt:
    """The feature of a node; `ClewError` for another kind of node, and for one that does not exist."""
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
) -> InterventionOutcome:
    """The effects of the changes at each strength, and the text that is generated with them."""
    graph = opened.graph
    progress.note("Changing features")
    interventions = [_intervention(placed) for placed in changes]
    prompt = graph.token_ids.tolist()
    results = model.intervene(prompt, interventions, request.regime, strengths=request.strengths, graph=graph)
    text = None
    if request.generate:
        progress.note(f"Generating {request.generate} tokens")
        before, *after = model.generate(
            prompt, interventions, request.generate, strengths=request.strengths, graph=graph
        )
        text = Continuation(before=before.text, after=[each.text for each in after])
    return outcome(model, opened, results, text)


def outcome(
    model: Model,
    opened: OpenGraph,
    results: Sequence[InterventionResult],
    text: Continuation | None = None,
) -> InterventionOutcome:
    """Results as the page gets them; `python` and `notes` are for the caller to fill in."""
    return InterventionOutcome(
        results=[_effect(model, opened, result) for result in results],
        values=_values(opened, results),
        text=text,
        python="",
    )


def _values(opened: OpenGraph, results: Sequence[InterventionResult]) -> NodeValues:
    """Activations of the graph's features, to four digits; those that stay at zero are left out."""
    before, columns = {}, []
    for result in results:
        features, column = result.features, {}
        rows = zip(
            *(getattr(features, name).tolist() for name in ("layer", "position", "index", "before", "after")),
            strict=True,
        )
        for layer, position, index, value, changed in rows:
            node = f"{layer}_{index}_{position}"
            if node in opened.nodes:
                before[node], column[node] = value, changed
        columns.append(column)
    return NodeValues(
        nodes=list(before),
        before=[_short(value) for value in before.values()],
        after=[[_short(column.get(node, 0.0)) for node in before] for column in columns],
    )


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def notes_on(model: Model, changes: Sequence[PlacedChange]) -> list[str]:
    """Sentences about what the tokenizer changes in the prompts that patches take values from."""
    from clew.intervention.patching import OTHER_PROMPT
    from clew.model.prompt import changes_of_prompt

    sources = [placed.source_prompt for placed in changes if placed.change.how == "patch"]
    notes = [changes_of_prompt(model.language_model, source, OTHER_PROMPT) for source in sources if source]
    return list(dict.fromkeys(filter(None, notes)))


def _intervention(placed: PlacedChange) -> Intervention:
    change, source = placed.change, placed.change.source
    if change.how != "patch" or source is None:
        return Intervention(placed.features, placed.positions, change.how, change.value)
    return Intervention(
        placed.features, placed.positions, "patch", Source(placed.source_prompt, source.position)
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
            token_id=target.token_id,
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
        ChangedFeature(node=node if node in opened.nodes else None, **vars(change), by_hand=named)
        for change, named in rows
        for node in [f"{change.layer}_{change.index}_{change.position}"]
    ]


def python_for(
    loaded: LoadSettings, path: Path, changes: Sequence[PlacedChange], request: InterveneRequest
) -> str:
    """A program that prints the same results; `loaded` are the arguments of `clew.load`."""
    strengths = f"strengths={list(request.strengths)!r}"
    lines = [
        "import clew",
        "from clew import Feature, From, Intervention",
        "",
        *python_head(loaded, path),
        "prompt = graph.token_ids.tolist()",
        "changes = [",
        *(f"    {_change_code(placed)}," for placed in changes),
        "]",
        f"results = model.intervene(prompt, changes, {request.regime!r}, {strengths}, graph=graph)",
        "for result in results:",
        "    print(result)",
    ]
    if request.generate:
        lines += [
            f"texts = model.generate(prompt, changes, {request.generate}, {strengths}, graph=graph)",
            "for text in texts:",
            "    print(text)",
        ]
    return "\n".join(lines) + "\n"


def python_head(loaded: LoadSettings, path: Path) -> list[str]:
    """Lines that load a model and open a graph."""
    options = [
        f", {option.name}={getattr(loaded, option.name)!r}"
        for option in options_of(LoadSettings).values()
        if option.name != "reference" and getattr(loaded, option.name) != option.default
    ]
    return [
        f"model = clew.load({loaded.reference!r}{''.join(options)})",
        f"graph = clew.open({str(path)!r})",
    ]


def _change_code(placed: PlacedChange) -> str:
    change, source = placed.change, placed.change.source
    features = f"[{', '.join(f'Feature({each.layer}, {each.index})' for each in placed.features)}]"
    at = placed.positions
    positions = f"positions={f'From({at.position})' if isinstance(at, From) else repr(at)}"
    if change.how == "patch" and source is not None:
        return (
            f"*model.patch({features}, {placed.source_prompt!r}, source_position={source.position}, "
            f"{positions}, graph=graph)"
        )
    value = "" if change.value is None else f", value={change.value!r}"
    return f"Intervention({features}, {positions}, how={change.how!r}{value})"
