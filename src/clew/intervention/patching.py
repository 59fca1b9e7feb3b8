"""Values that features have on another prompt, to be set on this one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from clew.dictionary.base import Dictionary
from clew.dictionary.points import read_values
from clew.errors import ClewError
from clew.intervention.edits import resolve
from clew.intervention.intervention import Features, Intervention, Positions
from clew.model.language_model import LanguageModel
from clew.model.prompt import encode_prompt
from clew.model.recording import record


@torch.no_grad()
def patched(
    model: LanguageModel,
    dictionary: Dictionary,
    features: Features,
    source: str | Sequence[int],
    *,
    source_position: int = -1,
    positions: Positions = -1,
    sink: str | None = None,
) -> list[Intervention]:
    """Interventions that set features to the values that they have at a position of another prompt.

    Raises `ClewError` for a feature, a position or a prompt that cannot be used.
    """
    prompt = encode_prompt(model, source, sink)
    n_positions, members = len(prompt.token_ids), Intervention(features).members
    if isinstance(source_position, bool) or not isinstance(source_position, int):
        raise ClewError(f"A position of the other prompt is one whole number, not {source_position!r}.")
    if not -n_positions <= source_position < n_positions:
        raise ClewError(
            f"The other prompt has positions 0 to {n_positions - 1}, so there is no {source_position}."
        )
    resolve([Intervention(members)], dictionary.n_features, n_positions)
    recording, activation = record(model, prompt.token_ids), {}
    for layer in sorted({feature.layer for feature in members}):
        x = read_values(model, recording, dictionary.read_point, layer)
        activation[layer] = dictionary.respond(layer, x)[1][source_position]
    return [
        Intervention(feature, positions, "set", float(activation[feature.layer][feature.index]))
        for feature in members
    ]
