"""Patches: activations of features on another prompt, to be set on this one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.finite_activations import check_activations
from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import read_values
from clew.errors import ClewError
from clew.feature import Feature
from clew.intervention.intervention import Intervention, Source, as_source
from clew.intervention.layer_interventions import is_whole, positions_at, resolve_interventions
from clew.model.language_model import LanguageModel
from clew.model.messages import PromptLike, is_chat
from clew.model.prompt import Prompt, encode_prompt
from clew.model.recording import Recording, record
from clew.model.sink import SinkWarning, named_sink_id
from clew.sink import quoted

OTHER_PROMPT = "the other prompt"


def resolve_patches(
    model: LanguageModel,
    dictionary: Dictionary,
    interventions: Sequence[Intervention],
    n_positions: int,
    *,
    sink: str | None = None,
) -> list[Intervention]:
    """The same interventions with numbers in place of patches.

    `sink` is that of the prompt that changes, and comes in front of a source's text too; a source of token
    ids that begins otherwise is warned of (`SinkWarning`).

    A `Source` with a position gives one value for all positions that change. Without one, a single position
    means the same number in both prompts (counted from the same side). Several positions, such as the nodes
    of a supernode, need two prompts of equal length. Raises `ClewError` for features, positions and prompts
    that cannot be used.
    """
    resolved, sources = [], {}
    for intervention in interventions:
        if intervention.how != "patch":
            resolved.append(intervention)
            continue
        source = as_source(intervention.value)
        key = source.prompt if isinstance(source.prompt, str) else repr(list(source.prompt))
        if key not in sources:
            sources[key] = _SourceActivations(model, dictionary, source.prompt, sink)
        resolved += sources[key].patched(intervention, source, n_positions)
    return resolved


def _encoded_source(
    model: LanguageModel, dictionary: Dictionary, source: PromptLike, sink: str | None
) -> Prompt:
    """A source with the sink of the prompt that changes; token ids stay as they are."""
    if isinstance(source, str) or is_chat(source) or sink in (None, "none"):
        return encode_prompt(model, source, sink, dictionary.sink, what=OTHER_PROMPT)
    encoded = encode_prompt(model, source, trained_behind=dictionary.sink, what=OTHER_PROMPT)
    if encoded.sink is not None and encoded.sink.token_id != (expected := named_sink_id(model, sink)):
        warnings.warn(
            f"The other prompt begins with {quoted(encoded.sink.text)}, and the one that changes with "
            f"{quoted(model.token_text(expected))}; give both the same first token.",
            SinkWarning,
            stacklevel=5,
        )
    return encoded


class _SourceActivations:
    """Activations on another prompt; each layer is read once."""

    def __init__(
        self, model: LanguageModel, dictionary: Dictionary, prompt: PromptLike, sink: str | None
    ) -> None:
        self._model, self._dictionary = model, dictionary
        self._recording: Recording = record(model, _encoded_source(model, dictionary, prompt, sink).token_ids)
        self._activation: dict[int, Float[Tensor, "position feature"]] = {}

    def patched(self, intervention: Intervention, source: Source, n_positions: int) -> list[Intervention]:
        """One intervention for each feature and value."""
        resolve_interventions([Intervention(intervention.members)], self._dictionary.n_features, n_positions)
        positions = intervention.positions
        if source.position is not None or is_whole(positions):
            pairs = [(positions, self._position(positions if source.position is None else source.position))]
        else:
            if self._recording.n_positions != n_positions:
                raise ClewError(
                    f"The other prompt has {self._recording.n_positions} tokens and this one {n_positions}, "
                    "so their positions do not match; name one position of the other (--patch "
                    "NODE=@4:PROMPT, or Source(prompt, 4) in Python)."
                )
            chosen = positions_at(positions, n_positions)[0].nonzero().squeeze(1).tolist()
            pairs = [(position, position) for position in chosen]
        return [
            Intervention(feature, where, "set", self._value(feature, position))
            for feature in intervention.members
            for where, position in pairs
        ]

    def _position(self, position: object) -> int:
        count = self._recording.n_positions
        if not is_whole(position):
            raise ClewError(f"A position of the other prompt is one whole number, not {position!r}.")
        if not -count <= position < count:
            raise ClewError(f"The other prompt has positions 0 to {count - 1}, so there is no {position}.")
        return position

    @torch.no_grad()
    def _value(self, feature: Feature, position: int) -> float:
        layer = feature.layer
        if layer not in self._activation:
            x = read_values(self._model, self._recording, self._dictionary.read_point, layer)
            self._activation[layer] = self._dictionary.respond(layer, x)[1]
            check_activations(layer, self._activation[layer])
        return float(self._activation[layer][position, feature.index])
