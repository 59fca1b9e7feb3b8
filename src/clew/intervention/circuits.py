"""Whether a set of features is enough for an answer (sufficiency), and whether it is needed (necessity)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from clew.dictionary.protocols import Dictionary
from clew.dictionary.quality import TEXT, WINDOW
from clew.dictionary.read_write_points import read_values
from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind, quote
from clew.intervention.feature_names import PlaceLike, places_named
from clew.intervention.graph_compatibility import check_same_model, place_of, recorded_again
from clew.intervention.intervention import Feature
from clew.intervention.prediction import Place
from clew.intervention.regimes import Setting
from clew.intervention.validation import last_logits
from clew.model.language_model import LanguageModel
from clew.model.prompt import encode_prompt
from clew.model.recording import Recording, record

WAYS = ("zero", "mean")
"""What a feature outside the set may be put to."""


@dataclass(frozen=True)
class Circuit:
    """The probability of an answer with parts of the model's features removed.

    Outside a set are all other features of the dictionary, active or not, at every position after the
    sink. What no feature stands for stays: attention, embeddings, biases and what transcoders leave
    unexplained, all of which respond. With neurons as features that is nothing of an MLP but its bias.
    """

    answer: str
    token_id: int
    size: int
    """Features (at a position each) in the set."""
    outside: str
    """What those outside were put to: "zero", or their "mean" over a text."""
    whole: float
    """The unchanged model."""
    without: float
    """The set at zero: what falls from `whole` shows that it is needed."""
    alone: float
    """Everything outside removed: what reaches `whole` shows that it is enough."""
    nothing: float
    """Set and everything outside removed, which `alone` is to be compared with."""

    @property
    def sufficiency(self) -> float:
        """`alone / whole`: the share of the whole model's probability that the set alone keeps."""
        return self.alone / self.whole

    @property
    def necessity(self) -> float:
        """`1 - without / whole`: the share of it that is lost without the set."""
        return 1 - self.without / self.whole

    def __repr__(self) -> str:
        return (
            f"Circuit({count(self.size)}, all others at {self.outside} -> {quote(self.answer)} "
            f"p={self.whole:.2f}: alone {self.alone:.2g} (sufficiency {self.sufficiency:.2g}), without "
            f"{self.without:.2g} (necessity {self.necessity:.2g}), nothing {self.nothing:.2g})"
        )


def count(size: int) -> str:
    """`1 feature`, `1,487 features`."""
    return f"{size:,} feature{'' if size == 1 else 's'}"


@torch.no_grad()
def measure_circuit(
    model: LanguageModel,
    dictionary: Dictionary,
    prompt: Graph | str | Sequence[int],
    features: PlaceLike | Sequence[PlaceLike] | None = None,
    *,
    outside: str = "zero",
) -> Circuit:
    """Remove a set of features at positions (`PlaceLike`), and all but it, in the real model.

    `prompt` is a text, token ids, or a graph, whose features are then the set unless some are given (by the
    names that it knows, too), and whose main target is the answer; of a text it is the likeliest token.
    "mean" is over the built-in text that dictionaries are measured on, its first position left out. Raises
    `ClewError` for features that there are not, and for a graph of another model or dictionary.
    """
    if outside not in WAYS:
        raise ClewError(f"Features outside a set go to {' or '.join(WAYS)}, not to {outside!r}.")
    if isinstance(prompt, Graph):
        return _of_graph(model, dictionary, prompt, features, outside)
    if features is None:
        raise ClewError("Name the features of the circuit; only a graph has some of its own.")
    encoded = encode_prompt(model, prompt)
    recording = record(model, encoded.token_ids)
    places = places_named(features, None, range(encoded.first_position, recording.n_positions))
    return _measured(model, dictionary, recording, places, None, outside, encoded.first_position)


def _of_graph(
    model: LanguageModel,
    dictionary: Dictionary,
    graph: Graph,
    features: PlaceLike | Sequence[PlaceLike] | None,
    outside: str,
) -> Circuit:
    recording, nodes = recorded_again(model, dictionary, graph), graph.of_kind(NodeKind.FEATURE)
    check_same_model(model, dictionary, recording, graph, nodes)
    best = max(graph.info.targets, key=lambda target: target.weight, default=None)
    # Other tools' graphs do not name a sink, but their first token is one.
    first = 0 if graph.info.sink is None and graph.foreign is None else 1
    answer = None if best is None else best.token_id
    if features is None:
        places = [place_of(graph, node) for node in nodes]
    else:
        places = places_named(features, graph, range(first, recording.n_positions))
    return _measured(model, dictionary, recording, places, answer, outside, first)


def _measured(
    model: LanguageModel,
    dictionary: Dictionary,
    recording: Recording,
    places: Sequence[Place],
    answer: int | None,
    outside: str,
    first_position: int,
) -> Circuit:
    inside = _masks(dictionary, recording.n_positions, places)
    mean = (
        mean_activations(model, dictionary)
        if outside == "mean"
        else [torch.zeros(count, device=model.device) for count in dictionary.n_features]
    )
    setting = Setting(
        model=model,
        dictionary=dictionary,
        recording=recording,
        edits={
            layer: LayerRemoval(mask.to(model.device), mean[layer], first_position)
            for layer, mask in enumerate(inside)
            if mask.shape[1]
        },
        strength=torch.ones(4, device=model.device),
        layers=range(model.n_layers),
    )
    share = model.soft_capped(last_logits(setting)).softmax(dim=-1)
    token = int(share[0].argmax()) if answer is None else answer
    whole, without, alone, nothing = share[:, token].tolist()
    return Circuit(
        answer=model.token_text(token),
        token_id=token,
        size=sum(int(mask.sum()) for mask in inside),
        outside=outside,
        whole=whole,
        without=without,
        alone=alone,
        nothing=nothing,
    )


@dataclass(frozen=True)
class LayerRemoval:
    """One layer's features in four columns: none removed, the set, all but the set, all."""

    inside: Bool[Tensor, "position feature"]
    mean: Float[Tensor, " feature"]
    """What features outside the set are put to; the set itself goes to zero."""
    first_position: int

    @property
    def index(self) -> Int[Tensor, " feature"]:
        return torch.arange(self.inside.shape[1], device=self.inside.device)

    def change(
        self, activation: Float[Tensor, "column position feature"], start: int = 0
    ) -> Float[Tensor, "column position feature"]:
        """What to add to all activations of the layer."""
        here = slice(start, start + activation.shape[1])
        removable = torch.arange(activation.shape[1], device=activation.device) + start >= self.first_position
        inside = self.inside[here] & removable[:, None]
        outside = ~self.inside[here] & removable[:, None]
        changed = torch.zeros_like(activation)
        for column in (1, 3):
            changed[column] -= activation[column] * inside
        for column in (2, 3):
            changed[column] += (self.mean - activation[column]) * outside
        return changed

    def where(self, start: int, count: int) -> Bool[Tensor, "feature position"]:
        """Every feature, from the first position that may be removed."""
        position = torch.arange(start, start + count)
        return (position >= self.first_position).expand(self.inside.shape[1], -1)


def _masks(
    dictionary: Dictionary, n_positions: int, places: Sequence[Place]
) -> list[Bool[Tensor, "position feature"]]:
    masks = [torch.zeros(n_positions, count, dtype=torch.bool) for count in dictionary.n_features]
    for layer, position, index in places:
        if not 0 <= layer < len(masks) or not 0 <= index < masks[layer].shape[1]:
            raise ClewError(f"{dictionary.name} has no feature {Feature(layer, index)}.")
        if not 0 <= position < n_positions:
            raise ClewError(
                f"There is no position {position}; the prompt has positions 0 to {n_positions - 1}."
            )
        masks[layer][position, index] = True
    return masks


@torch.no_grad()
def mean_activations(model: LanguageModel, dictionary: Dictionary) -> list[Float[Tensor, " feature"]]:
    """Each feature's mean over the built-in text (that dictionaries are measured on), by layer."""
    ids = model.tokenizer.encode(TEXT)[: min(WINDOW, model.context_length)]
    recording = record(model, torch.tensor(ids))
    found = []
    for layer in range(model.n_layers):
        _, activation = dictionary.respond(layer, read_values(model, recording, dictionary.read_point, layer))
        found.append(activation[1:].mean(dim=0))
    return found
