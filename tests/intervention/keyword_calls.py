"""Calls of `intervene` and `prepare` with their options as keywords."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clew.dictionary.protocols import Dictionary
from clew.intervention import run_intervention as run
from clew.intervention.intervention import Intervention
from clew.intervention.regimes import PreparedRun
from clew.intervention.result import InterventionResult
from clew.intervention.settings import ChangeCall, InterveneCall
from clew.model.language_model import LanguageModel


def intervene(
    model: LanguageModel,
    dictionary: Dictionary,
    prompt: str | Sequence[int],
    interventions: Sequence[Intervention],
    **options: Any,
) -> tuple[InterventionResult, ...]:
    return run.intervene(model, dictionary, prompt, InterveneCall(interventions, **options))


def prepare(
    model: LanguageModel,
    dictionary: Dictionary,
    prompt: str | Sequence[int],
    interventions: Sequence[Intervention],
    *,
    layers: range | None = None,
    generated: int = 0,
    **options: Any,
) -> PreparedRun:
    call = ChangeCall(interventions, **options)
    return run.prepare(model, dictionary, prompt, call, layers=layers, generated=generated)
