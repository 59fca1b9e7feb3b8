"""Figures of transcoders on texts that they were not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.model.language_model import LanguageModel
from clew.training.activations import mlp_values, products_in
from clew.training.end_to_end import WrittenSums, log_probabilities, transcode
from clew.training.objectives.objective import Objective
from clew.training.replaced_model import InSequences, Replacement, replaced
from clew.training.settings import TrainSettings
from clew.training.transcoders import StackedTranscoders

Layers = Mapping[int, tuple[StackedTranscoders, Objective]]
"""By layer, a transcoder of the model's own values, and its objective."""

SEQUENCES_AT_ONCE = 32


@dataclass(frozen=True)
class Evaluation:
    """Figures on held-out text, without the first position."""

    layers: tuple[int, ...]
    fvu: Float[Tensor, " layer"]
    """Fraction of the variance of each MLP's output left unexplained, on the model's own stream."""
    l0: Float[Tensor, " layer"]
    density: Float[Tensor, "layer feature"]
    """The share of positions at which each feature is active."""
    cross_entropy: float
    """Mean nats of the text's own next token, with every MLP replaced."""
    model_cross_entropy: float
    kl: float
    """Mean nats between the model's next token and that of the model with every MLP replaced."""
    agreement: float
    """The share of positions where both find the same token likeliest."""

    @property
    def dead(self) -> Float[Tensor, " layer"]:
        """The share of features that are never active."""
        return (self.density == 0).float().mean(1)

    def __str__(self) -> str:
        return (
            f"FVU {float(self.fvu.mean()):.3f}, L0 {float(self.l0.mean()):.1f}, "
            f"{float(self.dead.mean()):.1%} dead; with every MLP replaced: cross-entropy "
            f"{self.cross_entropy:.2f} (model {self.model_cross_entropy:.2f}), KL {self.kl:.3f}, "
            f"same likeliest token at {self.agreement:.1%} of positions"
        )


@torch.no_grad()
def evaluate(
    model: LanguageModel,
    layers: Layers,
    texts: Int[Tensor, "sequence position"],
    settings: TrainSettings,
) -> Evaluation:
    """Measure transcoders on texts: each layer by itself, and all of them in place of the MLPs."""
    numbers = tuple(layers)
    some = next(iter(layers.values()))[0]
    error, square = torch.zeros(2, len(numbers), dtype=torch.float64)
    total = torch.zeros(len(numbers), model.d_model, dtype=torch.float64)
    active = torch.zeros(len(numbers), some.n_features, dtype=torch.float64)
    entropy = own_entropy = kl = agreed = 0.0
    n_positions = n_next = 0
    for rows in texts.to(model.device).split(SEQUENCES_AT_ONCE):
        with products_in(model.device):
            reads, writes = mlp_values(model, rows, numbers)
            sums = WrittenSums()
            for place, (read, written) in enumerate(zip(reads, writes, strict=True)):
                outputs, activation = transcode(*layers[numbers[place]], read[None], settings)
                guess, written = sums.take(numbers[place], outputs)[0], written.float()
                error[place] += (guess.float() - written).square().sum().cpu()
                square[place] += written.square().sum().cpu()
                total[place] += written.sum(0).cpu()
                active[place] += (activation[0] > 0).sum(0).cpu()
            n_positions += reads.shape[1]
            truth = log_probabilities(model, rows)
            with replaced(model, _replacements(layers, settings)):
                guess = log_probabilities(model, rows)
        kl += float((truth.exp() * (truth - guess)).sum(-1).sum())
        agreed += float((truth.argmax(-1) == guess.argmax(-1)).sum())
        following = rows[:, 2:, None]
        own_entropy -= float(truth[:, :-1].gather(-1, following).sum())
        entropy -= float(guess[:, :-1].gather(-1, following).sum())
        n_next += following.numel()
    variance = (square - total.square().sum(1) / n_positions).clamp_min(1e-30)
    density = active / n_positions
    return Evaluation(
        layers=numbers,
        fvu=(error / variance).float(),
        l0=density.sum(1).float(),
        density=density.float(),
        cross_entropy=entropy / n_next,
        model_cross_entropy=own_entropy / n_next,
        kl=kl / n_positions,
        agreement=agreed / n_positions,
    )


@dataclass(frozen=True)
class Answer:
    """The likeliest next token of a prompt, with and without its MLPs."""

    prompt: str
    token_id: int
    probability: float
    kept: bool
    """True if the replaced model finds the same token likeliest."""
    replaced_probability: float
    kl: float


@torch.no_grad()
def answers(
    model: LanguageModel,
    layers: Layers,
    prompts: Mapping[str, Sequence[int]],
    settings: TrainSettings,
) -> list[Answer]:
    """The answers that the model with every MLP replaced gives to prompts, by text with their token ids."""
    found = []
    for prompt, ids in prompts.items():
        row = torch.tensor([list(ids)], device=model.device)
        truth = log_probabilities(model, row)[0, -1]
        with replaced(model, _replacements(layers, settings)):
            guess = log_probabilities(model, row)[0, -1]
        token = int(truth.argmax())
        found.append(
            Answer(
                prompt,
                token,
                float(truth[token].exp()),
                token == int(guess.argmax()),
                float(guess[token].exp()),
                float((truth.exp() * (truth - guess)).sum()),
            )
        )
    return found


def _replacements(layers: Layers, settings: TrainSettings) -> dict[int, Replacement]:
    sums = WrittenSums()

    def of(layer: int) -> Replacement:
        def replacement(read: InSequences, written: InSequences) -> InSequences:
            return sums.take(layer, transcode(*layers[layer], read, settings)[0])

        return replacement

    return {layer: of(layer) for layer in layers}
