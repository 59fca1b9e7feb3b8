"""Text that a model goes on with while some of its features are changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.errors import ClewError
from clew.graph.graph import quote
from clew.intervention.hooks import steered
from clew.intervention.layer_interventions import is_number
from clew.intervention.regimes import Setting


@dataclass(frozen=True)
class Generation:
    """What a model went on with."""

    strength: float | None
    """None for the unchanged model."""
    token_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    text: str

    def __repr__(self) -> str:
        name = "unchanged" if self.strength is None else f"strength {self.strength:g}"
        return f"Generation({name}: {quote(self.text)})"


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen: the likeliest at temperature 0, else at random."""

    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not is_number(self.temperature) or self.temperature < 0:
            raise ClewError(f"A temperature is 0 or above, not {self.temperature}.")


@torch.no_grad()
def generate_tokens(
    setting: Setting, count: int, sampling: Sampling = Sampling(), *, cache: bool = True
) -> tuple[Generation, ...]:
    """The unchanged continuation of at most `count` tokens and one for each strength, side by side.

    The real model goes on (the free regime). A continuation ends with the model's end of text. With `cache`
    the keys and values of earlier positions are kept; without it every step reads the whole text again, to
    the same result. Raises `ClewError` where prompt and continuation exceed the model's context, and for a
    layer range, as what holds MLPs is known on the prompt alone.
    """
    model, prompt = setting.model, setting.recording.token_ids
    check_count(count)
    if len(prompt) + count > model.context_length:
        raise ClewError(
            f"{len(prompt)} tokens of prompt and {count} more exceed the model's {model.context_length:,}."
        )
    if setting.constrained:
        raise ClewError("A range of layers holds MLPs on the prompt alone; generate without it.")
    # Without any change there is but the unchanged text.
    strengths = [None, *setting.strength[1:].tolist()] if setting.edits else [None]
    ids = prompt.expand(len(strengths), -1)
    ended = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    # Each column draws its own numbers, so that it does not matter which others run beside it.
    random = [torch.Generator().manual_seed(sampling.seed) for _ in range(len(ids))]
    past, end = None, torch.tensor(_end_tokens(setting), dtype=torch.long, device=ids.device)
    with steered(setting, watched=False) as state:
        for _ in range(count):
            output = model.network(
                input_ids=ids[:, state.start :], past_key_values=past, use_cache=cache, logits_to_keep=1
            )
            if cache:
                past, state.start = output.past_key_values, ids.shape[1]
            state.checked_logits()
            chosen = _chosen(output.logits[:, -1].float(), sampling, random).to(ids.device)
            ids = torch.cat([ids, chosen[:, None]], dim=1)
            ended |= torch.isin(chosen, end)
            if bool(ended.all()):
                break
    return tuple(
        _generation(setting, strength, row[len(prompt) :].tolist())
        for strength, row in zip(strengths, ids, strict=True)
    )


def check_count(count: int) -> None:
    """`ClewError` unless it is a number of tokens to generate."""
    if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
        raise ClewError(f"The number of tokens to generate is a whole number from 1, not {count!r}.")


def _chosen(
    logits: Float[Tensor, "column vocabulary"], sampling: Sampling, random: Sequence[torch.Generator]
) -> Int[Tensor, " column"]:
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    share = (logits.double() / sampling.temperature).softmax(dim=-1).cpu()
    drawn = [
        torch.multinomial(row, 1, generator=generator) for row, generator in zip(share, random, strict=True)
    ]
    return torch.cat(drawn)


def _end_tokens(setting: Setting) -> list[int]:
    """The tokenizer's, and those that the model's own settings for generating name."""
    settings = getattr(setting.model.network, "generation_config", None)
    named = getattr(settings, "eos_token_id", None)
    ends = [setting.model.tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])]
    return [end for end in dict.fromkeys(ends) if end is not None]


def _generation(setting: Setting, strength: float | None, ids: list[int]) -> Generation:
    ends = [ids.index(end) for end in _end_tokens(setting) if end in ids]
    ids = ids[: min(ends, default=len(ids))]
    tokens = tuple(setting.model.token_text(token) for token in ids)
    text = setting.model.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    return Generation(strength, tuple(ids), tokens, text)
