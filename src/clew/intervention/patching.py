"""Values that features have on another prompt, to be set on this one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import read_values
from clew.errors import ClewError
from clew.intervention.intervention import Feature, Intervention, Source, as_source
from clew.intervention.layer_interventions import positions_at, resolve
from clew.model.language_model import LanguageModel
from clew.model.prompt import encode_prompt
from clew.model.recording import Recording, record


def with_patches_resolved(
    model: LanguageModel,
    dictionary: Dictionary,
    interventions: Sequence[Intervention],
    n_positions: int,
    *,
    sink: str | None = None,
) -> list[Intervention]:
    """The same interventions without patches, each value of another prompt set as a number.

    A position of its own (`Source.position`) gives one value for all positions that are changed. Without
    one, a single position means the one of the same number in both prompts (counted from the same side);
    anything else, such as the nodes of a supernode, needs two prompts of equally many tokens. Raises
    `ClewError` for features, positions and prompts that cannot be used.
    """
    found, runs = [], {}
    for intervention in interventions:
        if intervention.how != "patch":
            found.append(intervention)
            continue
        source = as_source(intervention.value)
        key = source.prompt if isinstance(source.prompt, str) else tuple(source.prompt)
        if key not in runs:
            runs[key] = _Run(model, dictionary, source.prompt, sink)
        found += runs[key].values(intervention, source, n_positions)
    return found


class _Run:
    """Another prompt, and what features are at on it: each layer is read once."""

    def __init__(
        self, model: LanguageModel, dictionary: Dictionary, prompt: str | Sequence[int], sink: str | None
    ) -> None:
        self._model, self._dictionary = model, dictionary
        self._recording: Recording = record(model, encode_prompt(model, prompt, sink).token_ids)
        self._activation: dict[int, Float[Tensor, "position feature"]] = {}

    def values(self, intervention: Intervention, source: Source, n_positions: int) -> list[Intervention]:
        """One intervention for each feature and value."""
        resolve([Intervention(intervention.members)], self._dictionary.n_features, n_positions)
        positions = intervention.positions
        if source.position is not None or _is_one(positions):
            place = self._place(positions if source.position is None else source.position)
            pairs = [(positions, place)]
        else:
            if self._recording.n_positions != n_positions:
                raise ClewError(
                    f"The other prompt has {self._recording.n_positions} tokens and this one {n_positions}, "
                    "so their positions do not match; name one position of the other (--patch "
                    "NODE=@4:PROMPT, or Source(prompt, 4) in Python)."
                )
            chosen = positions_at(positions, n_positions)[0].nonzero().squeeze(1).tolist()
            pairs = [(place, place) for place in chosen]
        return [
            Intervention(feature, where, "set", self._value(feature, place))
            for feature in intervention.members
            for where, place in pairs
        ]

    def _place(self, position: object) -> int:
        count = self._recording.n_positions
        if isinstance(position, bool) or not isinstance(position, int):
            raise ClewError(f"A position of the other prompt is one whole number, not {position!r}.")
        if not -count <= position < count:
            raise ClewError(f"The other prompt has positions 0 to {count - 1}, so there is no {position}.")
        return position

    @torch.no_grad()
    def _value(self, feature: Feature, place: int) -> float:
        layer = feature.layer
        if layer not in self._activation:
            x = read_values(self._model, self._recording, self._dictionary.read_point, layer)
            self._activation[layer] = self._dictionary.respond(layer, x)[1]
        return float(self._activation[layer][place, feature.index])


def _is_one(positions: object) -> bool:
    return isinstance(positions, int) and not isinstance(positions, bool)
