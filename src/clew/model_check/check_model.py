"""The whole check of a model, and the cheap half of it that loading runs by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from clew.dictionary.protocols import Dictionary
from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording
from clew.model_check import facts, loaded_files, numbers
from clew.model_check.findings import Finding, ModelCheck, failed, not_measured
from clew.progress import OnStep, ignore_step

NUMBERS = "logits", "conservation", "rows by autograd", "interventions", "generation", "dictionary", "sink"
"""Findings that need a finite recording."""
CHECKS = 15
"""All findings."""


@torch.no_grad()
def check_model(
    model: LanguageModel, dictionary: Dictionary, on_progress: OnStep = ignore_step
) -> ModelCheck:
    """Check a model and its dictionary from files to generated tokens; nothing of it is changed."""
    findings: list[Finding] = []
    for finding in _findings(model, dictionary):
        findings.append(finding)
        on_progress(len(findings), CHECKS)
    return ModelCheck(model.name, dictionary.name, tuple(findings))


def _findings(model: LanguageModel, dictionary: Dictionary) -> Iterator[Finding]:
    yield facts.check_model_facts(model)
    yield loaded_files.check_source(model)
    yield _safely("tensors", lambda: loaded_files.check_tensors(model))
    yield facts.check_machine(model)
    yield facts.check_memory(model)
    yield _safely("tokenizer", lambda: facts.check_tokenizer(model))
    yield from _numbers(model, dictionary)
    yield facts.check_versions()


def _numbers(model: LanguageModel, dictionary: Dictionary) -> Iterator[Finding]:
    recorded: list[Recording] = []

    def finite() -> Finding:
        recorded.append(numbers.record_probe(model, dictionary.sink))
        return facts.check_finite(model, recorded[0])

    first = _safely("finite", finite)
    yield first
    if failed([first], "finite"):
        for name in NUMBERS:
            yield not_measured(name, "They need values that are finite.")
        return
    recording, ids = recorded[0], recorded[0].token_ids.tolist()
    yield _safely("sink", lambda: facts.check_sink(model, dictionary))
    yield _safely("logits", lambda: numbers.check_logits(model, recording))
    graph = numbers.graph_of(model, dictionary, ids)
    yield numbers.check_conservation(model, graph)
    for name, check in (
        ("rows by autograd", lambda: numbers.check_rows(model, dictionary, recording, graph)),
        ("interventions", lambda: numbers.check_interventions(model, dictionary, graph)),
        ("generation", lambda: numbers.check_generation(model, dictionary, graph)),
        ("dictionary", lambda: facts.check_dictionary(model, dictionary, recording)),
    ):
        yield _safely(name, check)


def _safely(name: str, check: Callable[[], Finding]) -> Finding:
    """A check's finding; what it refuses to do has failed, for that reason."""
    try:
        return check()
    except ClewError as error:
        return Finding(name, "refused", False, remedy=str(error))
