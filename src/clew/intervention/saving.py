"""Results of an intervention as one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from clew.files import write_file
from clew.intervention.intervention import Intervention, Source, as_source
from clew.intervention.result import InterventionResult
from clew.version import __version__


def save_results(results: Sequence[InterventionResult], path: str | Path) -> Path:
    """Write logits and features of one run's results, one for each strength; returns the path.

    `logits_before` is `[position, vocabulary]`. So is `logits_after` of one result; of several it is
    `[strength, position, vocabulary]`, their features stand one after the other, and `feature_strength` says
    which strength each belongs to, counted from 0. The metadata say what was done, as JSON. Raises
    `ClewError` where it cannot be written.
    """
    from safetensors.torch import save

    path, first, several = Path(path).expanduser(), results[0], len(results) > 1
    after = [result.logits_after for result in results]
    arrays = {
        "logits_before": first.logits_before,
        "logits_after": torch.stack(after) if several else after[0],
    }
    for name in vars(first.features):
        arrays[f"feature_{name}"] = torch.cat([getattr(result.features, name) for result in results])
    if several:
        counts = torch.tensor([len(result.features) for result in results])
        arrays["feature_strength"] = torch.repeat_interleave(torch.arange(len(results)), counts)
    facts: dict[str, Any] = {
        "clew": __version__,
        "model": first.model,
        "dictionary": first.dictionary,
        "tokens": first.tokens,
        "token_ids": first.token_ids,
        "interventions": [_facts(each) for each in first.interventions],
        "regime": first.regime.value,
        "layers": None if first.layers is None else [first.layers.start, first.layers.stop],
        "strengths": [result.strength for result in results],
    }
    metadata = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    write_file(path, save({name: value.cpu().contiguous() for name, value in arrays.items()}, metadata))
    return path


def _facts(intervention: Intervention) -> dict[str, Any]:
    """What was asked for: names of features, positions as on the command line, how, and the value."""
    value = intervention.value
    if intervention.how == "patch":
        source: Source = as_source(value)
        prompt = source.prompt if isinstance(source.prompt, str) else [int(token) for token in source.prompt]
        value = {"prompt": prompt, "position": source.position}
    return {
        "features": [str(each) for each in intervention.given],
        "positions": intervention.place.removeprefix("@") or None,
        "how": intervention.how,
        "value": value if value is None or isinstance(value, dict) else float(value),  # type: ignore[arg-type]
    }
