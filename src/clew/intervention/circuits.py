"""Circuits: sufficiency and necessity of a set of features for an answer.

For circuits of neurons see "Language Model Circuits Are Sparse in the Neuron Basis", Arora et al. 2025,
https://transluce.org/neuron-circuits
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from clew.dictionary.built_in_texts import TEXT
from clew.dictionary.finite_activations import check_activations
from clew.dictionary.protocols import Dictionary
from clew.dictionary.quality import WINDOW
from clew.dictionary.read_write_points import read_values
from clew.errors import ClewError
from clew.feature import FeatureAt
from clew.graph.graph import Graph, NodeKind, quote
from clew.intervention.feature_names import features_at
from clew.intervention.graph_compatibility import record_prompt, require_activations
from clew.intervention.hooks import last_logits
from clew.intervention.intervention import FeatureAtLike
from clew.intervention.regimes import PreparedRun
from clew.intervention.settings import CircuitSettings
from clew.model.language_model import LanguageModel
from clew.model.messages import PromptLike
from clew.model.prompt import encode_prompt
from clew.model.recording import Recording, record
from clew.model.template import encode_text
from clew.options import check_options
from clew.sink import Sink


@dataclass(frozen=True)
class Circuit:
    """Probabilities of an answer with parts of the model's features removed.

    Outside the circuit are all other features of the dictionary, active or not, at every position after the
    sink. The rest of the model stays and responds: attention, embeddings, biases, errors of transcoders. With
    neurons as features, nothing of an MLP stays but its bias.
    """

    answer: str
    """The answer's token."""
    token_id: int
    size: int
    """Number of features in the circuit, one for each position."""
    outside: str
    """The value of features outside the circuit: "zero", or their "mean" over a text."""
    whole: float
    """Probability in the unchanged model."""
    without: float
    """Probability with the circuit at zero; a fall from `whole` shows that the circuit is necessary."""
    alone: float
    """Probability with everything outside removed; near `whole`, the circuit is sufficient."""
    nothing: float
    """Probability with both removed, to compare `alone` with."""

    @property
    def sufficiency(self) -> float:
        """`alone / whole`: the share of the probability that the circuit alone keeps."""
        return self.alone / self.whole

    @property
    def necessity(self) -> float:
        """`1 - without / whole`: the share of the probability that is lost without the circuit."""
        return 1 - self.without / self.whole

    def __repr__(self) -> str:
        return (
            f"Circuit({feature_count(self.size)}, all others at {self.outside} -> {quote(self.answer)} "
            f"p={self.whole:.2f}: alone {self.alone:.2g} (sufficiency {self.sufficiency:.2g}), without "
            f"{self.without:.2g} (necessity {self.necessity:.2g}), nothing {self.nothing:.2g})"
        )


def feature_count(size: int) -> str:
    """`1 feature`, `1,487 features`."""
    return f"{size:,} feature{'' if size == 1 else 's'}"


@torch.no_grad()
def measure_circuit(
    model: LanguageModel,
    dictionary: Dictionary,
    prompt: Graph | PromptLike,
    features: FeatureAtLike | Sequence[FeatureAtLike] | None = None,
    settings: CircuitSettings = CircuitSettings(),
) -> Circuit:
    """Remove a set of features, everything outside it, and both, in the real model.

    `prompt` is a text, token ids, or a graph. A graph's features are the set unless some are given (by the
    names in the graph, too), and its main target is the answer; otherwise the answer is the likeliest token.
    A mean is over the built-in text that dictionaries are measured on, behind the prompt's sink, without the
    first position. Raises `ClewError` for features that do not exist, and for a graph of another model or
    dictionary.
    """
    check_options(settings)
    if isinstance(prompt, Graph):
        recording, nodes = record_prompt(model, dictionary, prompt), prompt.of_kind(NodeKind.FEATURE)
        require_activations(dictionary, prompt, nodes)
        main = max(prompt.info.targets, key=lambda target: target.weight, default=None)
        answer = None if main is None else main.token_id
        sink = prompt.sink
        inside = [prompt.feature_at(node) for node in nodes.tolist()]
    else:
        if features is None:
            raise ClewError("Name the features of the circuit; only a graph has features of its own.")
        encoded = encode_prompt(model, prompt, trained_behind=dictionary.sink)
        recording = record(model, encoded.token_ids)
        answer, sink, inside = None, encoded.sink, []
    if features is not None:
        graph = prompt if isinstance(prompt, Graph) else None
        first = 0 if sink is None else 1
        inside = features_at(features, graph, range(first, recording.n_positions))
    return _measured(model, dictionary, recording, inside, answer, settings.outside, sink)


def _measured(
    model: LanguageModel,
    dictionary: Dictionary,
    recording: Recording,
    features: Sequence[FeatureAt],
    answer: int | None,
    outside: str,
    sink: Sink | None,
) -> Circuit:
    inside = _masks(dictionary, recording.n_positions, features)
    mean = (
        mean_activations(model, dictionary, [] if sink is None else [sink.token_id])
        if outside == "mean"
        else [torch.zeros(count, device=model.device) for count in dictionary.n_features]
    )
    run = PreparedRun(
        model=model,
        dictionary=dictionary,
        recording=recording,
        by_layer={
            layer: CircuitAblation(mask.to(model.device), mean[layer], 0 if sink is None else 1)
            for layer, mask in enumerate(inside)
            if mask.shape[1]
        },
        strength=torch.ones(4, device=model.device),
        layers=range(model.n_layers),
    )
    probability = model.soft_capped(last_logits(run)).softmax(dim=-1)
    token = int(probability[0].argmax()) if answer is None else answer
    whole, without, alone, nothing = probability[:, token].tolist()
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
class CircuitAblation:
    """Ablations of one layer's features in four columns: nothing, the circuit, everything outside, both."""

    inside: Bool[Tensor, "position feature"]
    mean: Float[Tensor, " feature"]
    """Values of features outside the circuit; the circuit itself goes to zero."""
    first_position: int

    @property
    def index(self) -> Int[Tensor, " feature"]:
        return torch.arange(self.inside.shape[1], device=self.inside.device)

    def change(
        self, activation: Float[Tensor, "column position feature"], start: int = 0
    ) -> Float[Tensor, "column position feature"]:
        """The change of all activations of the layer, from position `start` on."""
        here = slice(start, start + activation.shape[1])
        ablatable = torch.arange(activation.shape[1], device=activation.device) + start >= self.first_position
        inside = self.inside[here] & ablatable[:, None]
        outside = ~self.inside[here] & ablatable[:, None]
        changed = torch.zeros_like(activation)
        for column in (1, 3):
            changed[column] -= activation[column] * inside
        for column in (2, 3):
            changed[column] += (self.mean - activation[column]) * outside
        return changed

    def where(self, start: int, count: int) -> Bool[Tensor, "feature position"]:
        """True for every feature from the first position that may be ablated."""
        position = torch.arange(start, start + count)
        return (position >= self.first_position).expand(self.inside.shape[1], -1)


def _masks(
    dictionary: Dictionary, n_positions: int, features: Sequence[FeatureAt]
) -> list[Bool[Tensor, "position feature"]]:
    masks = [torch.zeros(n_positions, count, dtype=torch.bool) for count in dictionary.n_features]
    for at in features:
        if not 0 <= at.layer < len(masks) or not 0 <= at.index < masks[at.layer].shape[1]:
            raise ClewError(f"{dictionary.name} has no feature {at.feature}.")
        if not 0 <= at.position < n_positions:
            raise ClewError(
                f"There is no position {at.position}; the prompt has positions 0 to {n_positions - 1}."
            )
        masks[at.layer][at.position, at.index] = True
    return masks


@torch.no_grad()
def mean_activations(
    model: LanguageModel, dictionary: Dictionary, front: Sequence[int]
) -> list[Float[Tensor, " feature"]]:
    """By layer, each feature's mean activation over the built-in text that dictionaries are measured on.

    The token ids of `front` stand before the text, whose first position does not count.
    """
    ids = [*front, *encode_text(model, TEXT).bare][: min(WINDOW, model.context_length)]
    recording = record(model, torch.tensor(ids))
    means = []
    for layer in range(model.n_layers):
        _, activation = dictionary.respond(layer, read_values(model, recording, dictionary.read_point, layer))
        check_activations(layer, activation)
        means.append(activation[1:].mean(dim=0))
    return means
