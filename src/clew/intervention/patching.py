"""Values that features have on another prompt, to be set on this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from clew.dictionary.base import Dictionary
from clew.dictionary.points import read_values
from clew.errors import ClewError
from clew.intervention.intervention import Feature, Intervention, Positions
from clew.model.language_model import LanguageModel
from clew.model.prompt import encode_prompt
from clew.model.recording import record


@torch.no_grad()
def patched(
    model: LanguageModel,
    dictionary: Dictionary,
    features: Feature | Sequence[Feature],
    source: str | Sequence[int],
    *,
    source_position: int = -1,
    positions: Positions = -1,
    sink: str | None = None,
) -> list[Intervention]:
    """Interventions that set features to the values that they have at a position of another prompt.

    Raises `ClewError` for a position or a prompt that cannot be used.
    """
    prompt = encode_prompt(model, source, sink)
    n_positions = len(prompt.token_ids)
    if not -n_positions <= source_position < n_positions:
        raise ClewError(
            f"The other prompt has positions 0 to {n_positions - 1}, so there is no {source_position}."
        )
    recording = record(model, prompt.token_ids)
    found = []
    for feature in Intervention(features).members:
        x = read_values(model, recording, dictionary.read_point, feature.layer)[source_position]
        _, activation = dictionary.respond(feature.layer, x)
        one = Intervention(feature, positions, "set", float(activation[feature.index]))
        found.append(replace(one))
    return found
