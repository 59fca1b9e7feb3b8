"""The outputs of a model whose MLPs are all replaced by a dictionary, beside the model's own.

FVU judges each layer on the model's own stream, and a graph's scores add up magnitudes, so features that
write junk and errors that cancel it count as explained. Here errors are gone: what a dictionary lost, the
outputs lose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.dictionary.next_token import Answer, Extremes, compared, divergence
from clew.dictionary.replaced_mlps import replaced_mlps
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.model.prompt import check_length, usual_front
from clew.model.template import encode_text

PROMPTS = (
    "The capital of France is",
    "The opposite of hot is",
    "Fact: the capital of Germany is",
    "The chemical symbol for gold is",
    "big -> small, hot -> cold, up ->",
    "cat -> cats, dog -> dogs, car ->",
    "The Central Intelligence Agency (C",
    "Shakespeare wrote Hamlet. Hamlet was written by William",
    "When Mary and John went to the store, John gave a drink to",
    "The keys to the cabinet are on the table. The key to the cabinet",
)
"""Prompts that small models answer: capitals, an antonym, a symbol, sequences, an acronym, names."""
TOKENS_AT_ONCE = 512
"""The largest batch, in tokens."""
POSITIONS_AT_ONCE = 128
"""Positions whose probabilities of all tokens are in memory together."""


@dataclass(frozen=True)
class Agreement:
    """Next tokens of texts by the model and by the replaced model: means over positions but the first."""

    kl: float
    """KL divergence of the replaced model from the model, in nats."""
    top1: float
    """The share of positions at which both have the same likeliest token."""
    cross_entropy: float
    """The model's own, in nats."""
    replaced_cross_entropy: float
    n_positions: int

    def __str__(self) -> str:
        return (
            f"KL {self.kl:.3g}, same likeliest token at {self.top1:.0%} of {self.n_positions:,} positions, "
            f"cross-entropy {self.replaced_cross_entropy:.2f} (model {self.cross_entropy:.2f})"
        )


@dataclass(frozen=True)
class ReplacedModel:
    """The distance from a model of the same with every MLP replaced by a dictionary."""

    agreement: Agreement
    answers: tuple[Answer, ...]
    """Empty for a tokenizer that knows none of the prompts' words."""

    @property
    def n_kept(self) -> int:
        """The number of prompts whose answer the replaced model keeps."""
        return sum(answer.kept for answer in self.answers)

    @property
    def answer_kl(self) -> float:
        """The median KL divergence over prompts; NaN without any."""
        return median(answer.kl for answer in self.answers) if self.answers else float("nan")

    @property
    def facts(self) -> dict[str, Any]:
        """The figures, ready for JSON."""
        return {
            **vars(self.agreement),
            "kept": self.n_kept,
            "prompts": len(self.answers),
            "answer_kl": self.answer_kl if self.answers else None,
        }

    def __str__(self) -> str:
        kept = f"; keeps {self.n_kept} of {len(self.answers)} answers (median KL {self.answer_kl:.3g})"
        return f"{self.agreement}{kept if self.answers else ''}"

    def __repr__(self) -> str:
        return f"ReplacedModel({self})"


@torch.no_grad()
def measure_agreement(
    dictionary: TranscoderDictionary,
    windows: Iterable[Int[Tensor, " position"]],
    extremes: Extremes | None = None,
) -> Agreement:
    """Compare next tokens at all positions of some texts (token ids) but the first, which is a sink.

    `extremes` keeps the positions where both models are nearest and furthest.
    """
    kl, same, entropy, replaced_entropy, n_positions, n_targets = 0.0, 0, 0.0, 0.0, 0, 0
    for ids, own, replaced in _outputs(dictionary, windows):
        for begin in range(1, len(ids), POSITIONS_AT_ONCE):
            some = slice(begin, begin + POSITIONS_AT_ONCE)
            one, other = own[some].log_softmax(-1), replaced[some].log_softmax(-1)
            apart = divergence(one, other)
            kl += float(apart.sum())
            if extremes is not None:
                extremes.add(ids, begin, apart, one, other)
            same += int((one.argmax(-1) == other.argmax(-1)).sum())
            targets = ids[begin + 1 : begin + 1 + POSITIONS_AT_ONCE].to(one.device)[:, None]
            entropy -= float(one[: len(targets)].gather(1, targets).sum())
            replaced_entropy -= float(other[: len(targets)].gather(1, targets).sum())
            n_targets += len(targets)
        n_positions += len(ids) - 1
    return Agreement(
        kl / n_positions, same / n_positions, entropy / n_targets, replaced_entropy / n_targets, n_positions
    )


@torch.no_grad()
def measure_answers(
    dictionary: TranscoderDictionary, prompts: Sequence[str] = PROMPTS, sink: str | None = None
) -> tuple[Answer, ...]:
    """Compare the next token of prompts; those of which the tokenizer knows no two tokens are left out."""
    model = dictionary.model
    front, known = usual_front(model, dictionary.sink, sink), {}
    for prompt in prompts:
        bare = encode_text(model, prompt).bare
        if len(set(bare)) > 1:
            check_length(model, len(front) + len(bare))
            known[prompt] = torch.tensor([*front, *bare])
    return tuple(
        compared(model, prompt, own[-1], replaced[-1])
        for prompt, (_, own, replaced) in zip(known, _outputs(dictionary, known.values()), strict=True)
    )


@torch.no_grad()
def compare_next_token(dictionary: TranscoderDictionary, token_ids: Sequence[int]) -> Answer:
    """Compare the next token of one prompt, its sink included."""
    model, ids = dictionary.model, torch.tensor([token_ids])
    own = model.next_token_logits(ids)[0]
    with replaced_mlps(dictionary):
        replaced = model.run(ids, logits_to_keep=1).logits[0, -1].float()
    return compared(model, model.vocabulary.text_of(token_ids), own, replaced)


def _outputs(
    dictionary: TranscoderDictionary, texts: Iterable[Int[Tensor, " position"]]
) -> Iterator[tuple[Int[Tensor, " position"], Float[Tensor, "position vocabulary"], Tensor]]:
    """The ids of each text, the model's logits and the replaced model's, in batches of similar lengths."""
    model = dictionary.model
    for batch in _batches(texts):
        # Behind a text stands its last token again, which no earlier position sees.
        longest = max(map(len, batch))
        ids = torch.stack([torch.cat([text, text[-1:].expand(longest - len(text))]) for text in batch])
        with model.exclusive:
            own = model.run(ids).logits
            with replaced_mlps(dictionary):
                replaced = model.run(ids).logits
        for row, text in enumerate(batch):
            yield text, own[row, : len(text)].float(), replaced[row, : len(text)].float()


def _batches(texts: Iterable[Int[Tensor, " position"]]) -> Iterator[list[Int[Tensor, " position"]]]:
    """Texts in their order, as many together as `TOKENS_AT_ONCE` allows."""
    batch: list[Tensor] = []
    for text in texts:
        if batch and (len(batch) + 1) * max(map(len, [*batch, text])) > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(text)
    if batch:
        yield batch
