"""The next token at a position, by a model and by the model with every MLP replaced."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from clew.model.language_model import LanguageModel

CONTEXT = 24
"""Tokens in front of a position that are shown with it."""


@dataclass(frozen=True)
class Answer:
    """The next token of a prompt, by the model and by the replaced model."""

    prompt: str
    answer: str
    """The model's likeliest token."""
    probability: float
    replaced_answer: str
    replaced_probability: float
    """The replaced model's probability of the model's answer."""
    kl: float
    """KL divergence of the replaced model from the model, in nats."""
    kept: bool
    """True if both have the same likeliest token."""

    @property
    def facts(self) -> dict[str, Any] | None:
        """The figures that a graph stores, ready for JSON; None where the replaced model's are not finite."""
        if not isfinite(self.kl + self.replaced_probability):
            return None
        return {name: value for name, value in vars(self).items() if name != "prompt"}


def compared(
    model: LanguageModel,
    prompt: str,
    own: Float[Tensor, " vocabulary"],
    replaced: Float[Tensor, " vocabulary"],
) -> Answer:
    """The next token of a prompt, from both models' logits."""
    one, other = own.log_softmax(-1), replaced.log_softmax(-1)
    answer, replaced_answer = int(one.argmax()), int(other.argmax())
    return Answer(
        prompt=prompt,
        answer=model.token_text(answer),
        probability=float(one[answer].exp()),
        replaced_answer=model.token_text(replaced_answer),
        replaced_probability=float(other[answer].exp()),
        kl=float(divergence(one, other)),
        kept=answer == replaced_answer,
    )


def divergence(
    one: Float[Tensor, "... vocabulary"], other: Float[Tensor, "... vocabulary"]
) -> Float[Tensor, "..."]:
    """The KL divergence of the second distribution from the first, both in logarithms."""
    return (one.exp() * (one - other)).sum(-1)


@dataclass
class Extremes:
    """The positions of texts where both models are nearest and furthest, each answer once."""

    model: LanguageModel
    count: int
    """Positions to keep of either kind."""
    _nearest: dict[int, Answer] = field(default_factory=dict)
    _furthest: dict[int, Answer] = field(default_factory=dict)

    @property
    def nearest(self) -> tuple[Answer, ...]:
        return tuple(sorted(self._nearest.values(), key=lambda answer: answer.kl))

    @property
    def furthest(self) -> tuple[Answer, ...]:
        return tuple(sorted(self._furthest.values(), key=lambda answer: -answer.kl))

    def add(
        self,
        ids: Int[Tensor, " position"],
        first: int,
        apart: Float[Tensor, " some"],
        own: Float[Tensor, "some vocabulary"],
        replaced: Float[Tensor, "some vocabulary"],
    ) -> None:
        """Look at positions from `first` on, of which `apart` is the divergence."""
        answers = own.argmax(-1).tolist()
        for kept, sign in ((self._nearest, 1), (self._furthest, -1)):
            best: dict[int, int] = {}
            for place in (sign * apart).argsort().tolist():
                best.setdefault(answers[place], place)
                if len(best) == self.count:
                    break
            for token, place in best.items():
                if token not in kept or sign * float(apart[place]) < sign * kept[token].kl:
                    end = first + place + 1
                    text = self.model.vocabulary.text_of(ids[max(1, end - CONTEXT) : end].tolist())
                    kept[token] = compared(self.model, text, own[place], replaced[place])
            for token in sorted(kept, key=lambda token: sign * kept[token].kl)[self.count :]:
                del kept[token]
