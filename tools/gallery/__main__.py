"""Trace, annotate and test the gallery's graphs; a claim that its intervention does not bear out stops it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import clew
from clew.facade import Model
from clew.gallery.exhibits import FILES, NAMES
from clew.graph.graph import Graph
from clew.server.interventions import measure, place_changes
from clew.server.job_queue import REQUEST, JobProgress
from clew.server.open_graphs import OpenGraph
from clew.server.schemas.jobs import Effect, InterveneRequest, InterventionOutcome, NodeChange, PatchSource
from clew.server.schemas.models import TokenProbability
from tools.gallery.annotations import Annotation, Change, Expected, Trial, read_annotation

NODE_THRESHOLD, EDGE_THRESHOLD = 0.8, 0.8
"""Thresholds of pruning, by which five graphs together take a few megabytes."""
MOST_CHANGED = 20
"""Features whose changes a trial keeps, besides those that it names."""
NO_GRAPH = "0" * 32


def main(names: list[str]) -> None:
    model = clew.load("smollm2")
    FILES.mkdir(exist_ok=True)
    for name in names or NAMES:
        annotation = read_annotation(name)
        graph = model.trace(annotation.prompt).prune(NODE_THRESHOLD, EDGE_THRESHOLD)
        graph = graph.annotate(supernodes=annotation.supernodes)
        trials = [_run(model, graph, trial) for trial in annotation.trials]
        told = [trial["claim"] for trial in trials]
        graph = graph.with_info(description="\n".join([annotation.story, *told]))
        path = graph.save(FILES / f"{name}.clew")
        facts = _facts(annotation, graph) | {"trials": trials}
        text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
        path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
        print(f"{path.name}: {graph.n_nodes:,} nodes, {path.stat().st_size / 1e6:.2f} MB", *told, sep="\n  ")


def _facts(annotation: Annotation, graph: Graph) -> dict[str, Any]:
    answer = max(graph.info.targets, key=lambda target: target.weight).text
    parts = {name: getattr(annotation, name) for name in ("title", "prompt", "summary", "story")}
    return parts | {"answer": answer}


def _run(model: Model, graph: Graph, trial: Trial) -> dict[str, Any]:
    """The record of a trial; raises `SystemExit` where it does not show what is claimed."""
    opened = OpenGraph(graph)
    changes = [_node_change(graph, change) for change in trial.changes]
    request = InterveneRequest(kind="intervene", graph=NO_GRAPH, changes=changes, strengths=(trial.strength,))
    placed = place_changes(request.changes, opened)
    effect = measure(model, opened, placed, request, JobProgress(lambda: None)).results[0]
    before, after = (Probabilities(tokens) for tokens in (effect.before, effect.after))
    target = effect.targets[0]
    left = _left(graph, effect, trial.expected.quiets)
    claim = trial.claim.format(
        before=before,
        after=after,
        predicted=f"{target.predicted:+.1f}",
        measured=f"{target.measured:+.1f}",
        left=f"{left:.0%}",
    )
    if left > 0.5 or not _shown(effect, trial.expected):
        raise SystemExit(f"Not borne out, expected {trial.expected}: {claim}\n{effect.after}")
    result = InterventionOutcome(results=[_shorter(graph, effect)], text=None, python="")
    return {
        "claim": claim,
        "request": REQUEST.dump_python(request, mode="json", exclude={"graph"}),
        "result": result.model_dump(mode="json", exclude={"python"}),
    }


class Probabilities(dict[str, str]):
    """The probabilities of the likeliest tokens, spelled for a sentence; of others a bound."""

    def __init__(self, tokens: Sequence[TokenProbability]) -> None:
        super().__init__({token.text: f"{100 * token.probability:.2g}%" for token in tokens})
        self._least = min(token.probability for token in tokens)

    def __missing__(self, text: str) -> str:
        return f"under {100 * self._least:.2g}%"


def _node_change(graph: Graph, change: Change) -> NodeChange:
    members = dict(graph.annotations.supernodes)
    nodes = [node for group in change.supernodes for node in members[group]]
    source = None if change.prompt is None else PatchSource(prompt=change.prompt)
    return NodeChange(nodes=nodes, how=change.how, value=change.value, source=source)  # type: ignore[arg-type]


def _left(graph: Graph, effect: Effect, quieted: str | None) -> float:
    """The share of its activation that a supernode keeps; features that changed little count as unchanged."""
    if quieted is None:
        return 0.0
    members = set(dict(graph.annotations.supernodes)[quieted])
    before = sum(
        float(activation)
        for node, activation in zip(graph.node_ids, graph.node_activation, strict=True)
        if node in members
    )
    return 1 + sum(each.after - each.before for each in effect.changed if each.node in members) / before


def _shorter(graph: Graph, effect: Effect) -> Effect:
    """The effect without features that changed little, but with all that are in supernodes."""
    grouped = {node for _, members in graph.annotations.supernodes for node in members}
    named = [each for each in effect.changed if each.by_hand]
    others = [each for each in effect.changed if not each.by_hand]
    kept = [each for place, each in enumerate(others) if place < MOST_CHANGED or each.node in grouped]
    return effect.model_copy(update={"changed": named + kept})


def _shown(effect: Effect, expected: Expected) -> bool:
    target, likeliest = effect.targets[0], effect.after[0].text
    assert target.before is not None
    assert target.after is not None
    kept = target.after / target.before
    before, after = (
        next((each.probability for each in tokens if each.text == expected.risen), tokens[-1].probability)
        for tokens in (effect.before, effect.after)
    )
    return (
        (expected.answer is None or likeliest == expected.answer)
        and (expected.risen is None or after >= 2 * before)
        and (expected.falls_to is None or kept <= expected.falls_to)
        and (expected.keeps is None or kept >= expected.keeps)
    )


if __name__ == "__main__":
    main(sys.argv[1:])
