"""The sentences of a story: one for each box, and three for the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clew.graph.arrays import GraphArrays, NodeKind, quote
from clew.graph.story.division import Members
from clew.graph.story.effects import main_output
from clew.graph.summary.names import target_text

if TYPE_CHECKING:
    from clew.graph.story.story import Box

LEAST_EFFECT = 0.05
"""Logits from which a sentence says that a box raises or lowers the answer."""


def sentence_of(graph: GraphArrays, group: Members, effect: float | None) -> str:
    """`9 features that fire on names of countries; raise " Paris" by 1.3.`"""
    count = int((graph.node_kind[group.nodes] == NodeKind.FEATURE).sum())
    features = f"{count} feature{'' if count == 1 else 's'}"
    match group.kind:
        case "token":
            what = f"The token {group.name}" + (f" with {features} of layer 0" if count else "")
        case "error":
            what = f"{len(group.nodes)} errors: parts of MLPs that no feature explains"
        case "output":
            return f"The output {group.name}."
        case "step" if group.words:
            what = f"{features} that promote{'s' if count == 1 else ''} {', '.join(group.words)}"
        case _:
            what = f"{features}, {group.name}"
    return f"{what}{effect_clause(graph, effect)}."


def effect_clause(graph: GraphArrays, effect: float | None) -> str:
    output = main_output(graph)
    if output is None or effect is None or abs(effect) < LEAST_EFFECT:
        return ""
    verb = "raise" if effect > 0 else "lower"
    return f"; {verb} {target_text(graph.target(output))} by {abs(effect):.1f}"


def three_sentences(graph: GraphArrays, boxes: Sequence[Box]) -> tuple[str, ...]:
    """The words that matter, the steps, and what was folded."""
    words = sorted((b for b in boxes if b.kind == "token" and not b.folded), key=lambda box: -box.share)[:3]
    steps = sorted((b for b in boxes if b.kind == "step"), key=lambda box: -abs(box.effect or 0))[:3]
    folded = [b for b in boxes if b.folded]
    sentences = []
    if words:
        listed = ", ".join(f"{box.name} ({box.share:.0%})" for box in words)
        sentences.append(f"The words that matter most are {listed}.")
    if steps:
        listed = "; ".join(f"{box.name} ({box.effect or 0:+.1f})" for box in steps)
        sentences.append(f"The steps to {_answer(graph)} are {listed}.")
    share = sum(box.share for box in folded)
    sentences.append(
        f"{share:.0%} of the influence is folded: words without meaning, features without a name, errors."
    )
    return tuple(sentences)


def _answer(graph: GraphArrays) -> str:
    output = main_output(graph)
    return quote("") if output is None else target_text(graph.target(output))
