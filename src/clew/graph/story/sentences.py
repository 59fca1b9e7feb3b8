"""The sentences of a story: one for each box, and three for the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.story.division import Members
from clew.graph.story.effects import main_output
from clew.graph.story.folding import DENSE
from clew.graph.summary.names import target_text

if TYPE_CHECKING:
    from clew.graph.story.story import Box

LEAST_EFFECT = 0.05
"""Logits from which a sentence says that a box raises or lowers the answer."""
NAMED = 3
"""Words, and steps, that the three sentences name."""


def sentence_of(graph: GraphArrays, group: Members, effect: float | None) -> str:
    """`9 features that fire on "France", "Spain"; they raise " Paris" by 1.3.`"""
    count = int((graph.node_kind[group.nodes] == NodeKind.FEATURE).sum())
    features = f"{count:,} feature{'' if count == 1 else 's'}"
    s = "s" if count == 1 else ""
    match group.kind:
        case "token":
            what = f"The token {group.name}" + (f" with {features} of layer 0" if count else "")
            return f"{what}; {_does(graph, effect, 'it', 's')}."
        case "output":
            return f"The output {group.name}."
        case "error":
            what = f"{len(group.nodes):,} parts of MLPs that no feature explains"
        case "near_sink":
            what = f"{features} at a position that soaks up influence and means little"
        case "dense":
            what = f"{features} that fire{s} on more than {DENSE:.0%} of all tokens"
        case "unnamed":
            what = f"{features} without a name"
        case _:
            what = features + _means(group, s)
    return f"{what}; {_does(graph, effect, 'it' if count == 1 else 'they', s)}."


def _means(group: Members, s: str) -> str:
    """` that fire on "capital" after "the", that promote Paris`."""
    parts = [" that a person grouped"] if group.own else []
    if group.label:
        parts.append(f" labelled “{group.label}”")
    elif group.fires_on or group.context:
        on = ", ".join(f'"{word}"' for word in group.fires_on)
        parts.append(f" that fire{s} {' '.join(part for part in (on and f'on {on}', group.context) if part)}")
    if group.words:
        parts.append(f" that promote{s} {', '.join(group.words)}")
    return ",".join(parts) or f": {group.name}"


def _does(graph: GraphArrays, effect: float | None, subject: str, s: str) -> str:
    """`they raise " Paris" by 1.3`."""
    output = main_output(graph)
    if output is None or effect is None:
        return f"{subject} carr{'ies' if s else 'y'} influence to the outputs"
    answer = target_text(graph.target(output))
    if abs(effect) < LEAST_EFFECT:
        return f"{subject} hardly change{s} {answer}"
    return f"{subject} {'raise' if effect > 0 else 'lower'}{s} {answer} by {abs(effect):.1f}"


def three_sentences(graph: GraphArrays, boxes: Sequence[Box]) -> tuple[str, ...]:
    """The words that matter, the steps, and what was folded, with their numbers."""
    return _words(boxes), _steps(graph, boxes), _folded(boxes)


def _words(boxes: Sequence[Box]) -> str:
    words = [box for box in boxes if box.kind == "token" and not box.folded] or [
        box for box in boxes if box.kind == "token"
    ]
    if not words:
        return "The graph holds no token."
    share = sum(box.share for box in words) or 1.0
    effect = sum(abs(box.effect or 0) for box in words) or 1.0
    words.sort(key=lambda box: -(box.share / share + abs(box.effect or 0) / effect))
    named = [f"{box.name} ({_figures(box)})" for box in words[:NAMED]]
    return f"What matters most in the prompt: {_and(named)}."


def _steps(graph: GraphArrays, boxes: Sequence[Box]) -> str:
    output = main_output(graph)
    answer = "the outputs" if output is None else target_text(graph.target(output))
    steps = sorted(
        (box for box in boxes if box.kind == "step"), key=lambda box: (-abs(box.effect or 0), -box.share)
    )
    if not steps:
        return f"Nothing between the tokens and {answer} has a name."
    named = [f"{box.name} ({_figures(box)})" for box in steps[:NAMED]]
    more = f", and {len(steps) - NAMED} more" if len(steps) > NAMED else ""
    return f"Steps to {answer}: {'; '.join(named)}{more}."


def _figures(box: Box) -> str:
    """`+1.3, 5 % of the influence`."""
    share = f"{box.share:.0%}" if box.share >= 0.01 else "under 1%"
    return share if box.effect is None else f"{box.effect:+.1f}, {share}"


def _folded(boxes: Sequence[Box]) -> str:
    kinds = {
        "near_sink": "near-sinks",
        "dense": "dense features",
        "unnamed": "features without a name",
        "error": "errors",
        "token": "function words and the sink",
    }
    shares = {kind: sum(box.share for box in boxes if box.folded and box.kind == kind) for kind in kinds}
    parts = [f"{shares[kind]:.0%} {name}" for kind, name in kinds.items() if shares[kind] >= 0.005]
    if not parts:
        return "Nothing is folded."
    return f"Folded: {sum(shares.values()):.0%} of the influence, of which {_and(parts)}."


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
