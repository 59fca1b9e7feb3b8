"""Text that a model writes itself, so that a dictionary needs neither a corpus nor a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle, islice

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache

from clew.errors import ClewError
from clew.model.finite import refuse_not_finite
from clew.model.language_model import LanguageModel
from clew.model.rotation import rotation_of
from clew.progress import OnStep, ignore_step

OPEN = -1
"""Stands for a token that is still to be drawn."""


@torch.no_grad()
def write_texts(
    model: LanguageModel,
    beginnings: Sequence[Sequence[int]],
    n_texts: int,
    n_tokens: int,
    *,
    first_token: int,
    temperature: float = 1.0,
    top_p: float | None = None,
    seed: int = 0,
    batch: int = 256,
    on_step: OnStep = ignore_step,
) -> Int[Tensor, "text position"]:
    """Let a model write texts of equal length, each behind one of some beginnings.

    Special tokens are never drawn, and neither are rows of the vocabulary that stand for no token: behind an
    end of text another text would begin, whose tokens attend to the first one. So a text that could end goes
    on. On a GPU a float32 model computes in bfloat16. The same seed and batch give the same texts on one
    device. Raises `ClewError` if texts are longer than the model's context, or logits are not finite.

    Args:
        model: The model that writes.
        beginnings: Token ids behind the first token, taken in turn and again from the start where there are
            fewer than texts. They may differ in length and be empty; one longer than a text is cut. None at
            all leaves everything to the model.
        n_texts: Number of texts.
        n_tokens: Tokens of a text, the first one included.
        first_token: First token of every text: the sink.
        temperature: Divisor of the logits; 0 takes the most likely token always.
        top_p: Draw from the most likely tokens that have this probability together; None draws from all.
        seed: Seed of the draws.
        batch: Texts that are written side by side; a GPU takes thousands.
        on_step: Called with how many texts are written, and how many there will be.

    Returns:
        The texts, as int32 on the CPU.
    """
    if n_tokens > model.context_length:
        raise ClewError(
            f"Texts of {n_tokens:,} tokens exceed the {model.context_length:,} that {model.name} reads; "
            "write shorter ones."
        )
    possible = drawn_tokens(model)
    generator = torch.Generator(model.device).manual_seed(seed)
    endless = cycle(beginnings or [()])
    written = []
    for first in range(0, n_texts, batch):
        some = islice(endless, min(batch, n_texts - first))
        texts = _opened(some, n_tokens, first_token).to(model.device)
        _write_on(model, texts, possible, temperature, top_p, generator)
        written.append(texts.to("cpu", torch.int32))
        on_step(first + len(texts), n_texts)
    return torch.cat(written)


def drawn_tokens(model: LanguageModel) -> Bool[Tensor, " vocabulary"]:
    """True at the tokens that a text may go on with: those that are neither special nor without spelling."""
    vocabulary = model.vocabulary
    possible = torch.arange(vocabulary.size) < len(model.tokenizer)
    possible[list(vocabulary.special)] = False
    return possible.to(model.device)


def _opened(some: Iterable[Sequence[int]], n_tokens: int, first_token: int) -> Int[Tensor, "text position"]:
    """Texts that hold the first token and their beginnings; what follows is open."""
    rows = []
    for ids in some:
        known = [first_token, *ids[: n_tokens - 1]]
        rows.append(known + [OPEN] * (n_tokens - len(known)))
    return torch.tensor(rows)


def _write_on(
    model: LanguageModel,
    texts: Int[Tensor, "text position"],
    possible: Bool[Tensor, " vocabulary"],
    temperature: float,
    top_p: float | None,
    generator: torch.Generator,
) -> None:
    """Fill the open places of texts, position by position; known tokens are read as they are."""
    cache = rotation = start = None
    finite = torch.ones((), dtype=torch.bool, device=texts.device)
    narrow = texts.device.type == "cuda" and model.unembedding_weight.dtype == torch.float32
    with model.exclusive, torch.autocast(texts.device.type, torch.bfloat16, enabled=narrow):
        for position in range(1, texts.shape[1]):
            if cache is None or rotation_of(model.text_config, position) != rotation:
                cache, rotation, start = DynamicCache(), rotation_of(model.text_config, position), 0
            here = texts[:, start:position]
            logits = model.run(here, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
            start = position
            finite &= logits.isfinite().all()  # looked at in the end, as a look stops a GPU
            drawn = _drawn(logits.float().where(possible, -torch.inf), temperature, top_p, generator)
            known = texts[:, position]
            texts[:, position] = torch.where(known == OPEN, drawn, known)
    if not bool(finite):
        refuse_not_finite(model, texts)


def _drawn(
    logits: Float[Tensor, "text vocabulary"],
    temperature: float,
    top_p: float | None,
    generator: torch.Generator,
) -> Int[Tensor, " text"]:
    """One token of each row, drawn with the softmax's probabilities."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    below = logits - logits.amax(dim=-1, keepdim=True)  # finite at any temperature
    probability = (below / temperature).softmax(dim=-1)
    if top_p is not None:
        probability = most_likely(probability, top_p)
    # The largest of p / e, e drawn from the exponential distribution, is a token with probability p. Unlike
    # `torch.multinomial` it takes numbers that are not finite without a stop of the GPU.
    waiting = torch.empty_like(probability).exponential_(generator=generator)
    return (probability / waiting).argmax(dim=-1)


def most_likely(
    probability: Float[Tensor, "text vocabulary"], top_p: float
) -> Float[Tensor, "text vocabulary"]:
    """Probabilities with zeros outside the fewest most likely tokens that have `top_p` together.

    Nucleus sampling: "The Curious Case of Neural Text Degeneration", Holtzman et al. 2020,
    https://arxiv.org/abs/1904.09751
    """
    ordered, token = probability.sort(dim=-1, descending=True)
    before = ordered.cumsum(dim=-1) - ordered
    return torch.zeros_like(probability).scatter(-1, token, ordered.where(before < top_p, 0.0))
