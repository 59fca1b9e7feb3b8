"""Sentences that a reader of a graph must know; the page makes the same ones from the same templates."""

from __future__ import annotations

from dataclasses import dataclass

from clew.graph.conservation import LARGEST_GAP
from clew.graph.info import GraphInfo
from clew.sink import DISTURBS

SENTENCES = {
    "changed": "Warning: {changes}",
    "disturbed": f"Warning: {DISTURBS}",
    "adds_up": "Conservation: every row adds up to what it explains, worst gap {gap}.",
    "proves": "No edge is missing. Whether the model is the one you meant, clew check tests.",
    "falls_short": (
        "Warning: rows do not add up to what they explain; the worst gap is {percent} ({gap}; sound is "
        "{most} or less). Do not rely on this graph; trace the prompt again with --dtype float32, which is "
        "the most exact."
    ),
    "unexplained": "Dictionary: FVU {fvu}, the share of the MLPs' variance that it leaves unexplained.",
    "worse_than_mean": (
        "Warning: Dictionary: FVU {fvu}, the share of the MLPs' variance that it leaves unexplained. The "
        "mean alone leaves 1, so do not rely on these features."
    ),
    "answer_kept": (
        "{mlps} replaced by the dictionary: the answer stays {answer}, with probability {replaced} (the "
        "model's own {own}), KL {kl} nats."
    ),
    "answer_lost": (
        "{mlps} replaced by the dictionary: the answer becomes {other}, and {answer} has probability "
        "{replaced} (the model's own {own}), KL {kl} nats."
    ),
}

REPLACED_TEXTS = ("answer", "replaced_answer")
REPLACED_NUMBERS = ("probability", "replaced_probability", "kl")
"""Keys of what a trace measures with every MLP replaced."""


@dataclass(frozen=True)
class Note:
    """One sentence or two about a graph."""

    text: str
    is_warning: bool = False


def notes_of(info: GraphInfo) -> list[Note]:
    """Notes on the prompt, its sink, the dictionary's quality, its answer and conservation."""
    return [*_prompt(info), *_sink(info), *_quality(info), *_replaced(info), *_conservation(info)]


def _prompt(info: GraphInfo) -> list[Note]:
    return [_note("changed", changes=info.prompt_changes)] if info.prompt_changes else []


def _sink(info: GraphInfo) -> list[Note]:
    warning = "" if info.sink is None else info.sink.warning
    return [Note(f"Warning: {warning}", is_warning=True)] if warning else []


def _quality(info: GraphInfo) -> list[Note]:
    """The fit of the dictionary to the MLPs, which no score of the graph measures."""
    quality = info.settings.get("quality")
    if not isinstance(quality, dict) or not isinstance(quality.get("fvu"), int | float):
        return []
    fvu = quality["fvu"]
    return [_note("worse_than_mean" if fvu > 1 else "unexplained", fvu=f"{fvu:.3g}")]


def _replaced(info: GraphInfo) -> list[Note]:
    """The answer that is left without error nodes, whose junk the scores count as explained."""
    found = info.settings.get("replaced")
    if not isinstance(found, dict):
        return []
    texts, numbers = [[found.get(name) for name in names] for names in (REPLACED_TEXTS, REPLACED_NUMBERS)]
    if not all(isinstance(text, str) for text in texts) or not all(map(_is_number, numbers)):
        return []
    if not isinstance(kept := found.get("kept"), bool):  # by ids: two tokens may be spelled alike
        return []
    (answer, other), (own, replaced, kl) = texts, (f"{number:.3g}" for number in numbers)
    sentence = "answer_kept" if kept else "answer_lost"
    mlps = found.get("mlps")
    mlps = mlps[:1].upper() + mlps[1:] if isinstance(mlps, str) else "Every MLP"  # not told by older graphs
    named = {"answer": f'"{answer}"', "other": f'"{other}"', "mlps": mlps}
    return [_note(sentence, **named, own=own, replaced=replaced, kl=kl)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _conservation(info: GraphInfo) -> list[Note]:
    gap = info.conservation
    if gap is None:
        return []
    if not gap <= LARGEST_GAP:
        return [_note("falls_short", gap=f"{gap:.0e}", percent=f"{gap:.1%}", most=f"{LARGEST_GAP:.0e}")]
    return [_note("adds_up", gap=f"{gap:.0e}"), _note("proves")]


def _note(sentence: str, **numbers: str) -> Note:
    text = SENTENCES[sentence].format(**numbers)
    return Note(text, text.startswith("Warning"))
