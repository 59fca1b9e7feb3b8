"""Swap tests of a request: made, measured, and written as Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clew.load_settings import LoadSettings
from clew.server.interventions import feature_at, outcome, python_head
from clew.server.job_queue import JobProgress
from clew.server.open_graphs import OpenGraph
from clew.server.schemas.jobs import InterventionOutcome, SwapOutcome, SwapRequest, SwapWord

if TYPE_CHECKING:
    from clew.facade import Model


def measure_swap(
    model: Model, opened: OpenGraph, request: SwapRequest, progress: JobProgress
) -> InterventionOutcome:
    """The effects of a swap at each strength, and the words that it may be for."""
    graph = opened.graph
    group = None if request.nodes is None else [feature_at(node, opened) for node in request.nodes]
    progress.note("Swapping features" if request.word else "Finding a word, and swapping features")
    test = model.swap_test(graph, group=group, word=request.word, strengths=request.strengths)
    made = outcome(model, opened, test.results)
    first = 0 if graph.sink is None else 1
    swap = SwapOutcome(
        group=request.name or test.group,
        count=len(test.features),
        word=test.word,
        words=[
            SwapWord(word=each.word, answer=each.answer, probability=each.probability)
            for each in test.siblings
        ],
        prompt="".join(map(model.language_model.token_text, test.prompt[first:])),
        shown=test.shown,
        before=test.probability_before,
        after=[test.probability_after(place) for place in range(len(test.results))],
    )
    return made.model_copy(update={"swap": swap})


def python_of_swap(loaded: LoadSettings, path: Path, request: SwapRequest) -> str:
    """A program that prints the same result; `loaded` are the arguments of `clew.load`."""
    group = f", group={request.nodes!r}" if request.nodes else ""
    word = f", word={request.word!r}" if request.word else ""
    strengths = f", strengths={list(request.strengths)!r}"
    return "\n".join(
        [
            "import clew",
            "",
            *python_head(loaded, path),
            f"test = model.swap_test(graph{group}{word}{strengths})",
            "print(test)",
            "for result in test.results:",
            "    print(result)",
            "",
        ]
    )
