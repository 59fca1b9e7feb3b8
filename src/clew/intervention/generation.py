"""Text that a model generates while some of its features are changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

from clew.errors import ClewError
from clew.graph.graph import quote
from clew.intervention.hooks import hooked
from clew.intervention.regimes import PreparedRun
from clew.intervention.settings import GenerationSettings
from clew.model.finite import refuse_not_finite
from clew.model.rotation import rotation_of
from clew.options import check_options


@dataclass(frozen=True)
class Generation:
    """One continuation of a prompt."""

    strength: float | None
    """The strength of the changes; None for the unchanged model."""
    token_ids: tuple[int, ...]
    """The generated tokens, without the prompt and the end of text."""
    tokens: tuple[str, ...]
    text: str

    def __repr__(self) -> str:
        name = "unchanged" if self.strength is None else f"strength {self.strength:g}"
        return f"Generation({name}: {quote(self.text)})"


@torch.no_grad()
def generate_tokens(run: PreparedRun, settings: GenerationSettings) -> tuple[Generation, ...]:
    """The unchanged continuation, then one for each strength, all generated side by side.

    They are in the free regime, and end at the model's end of text. Raises `ClewError` where prompt and
    continuation exceed the model's context, and for a run with held layers, whose MLP outputs are recorded on
    the prompt alone.
    """
    check_options(settings)
    model, prompt, count = run.model, run.recording.token_ids, settings.max_tokens
    if len(prompt) + count > model.context_length:
        raise ClewError(
            f"{len(prompt)} tokens of prompt and {count} more exceed the model's {model.context_length:,}."
        )
    if run.constrained:
        raise ClewError("A range of layers holds MLPs on the prompt alone; generate without it.")
    strengths = [None, *run.strength[1:].tolist()] if run.by_layer else [None]
    ids = _continued(run, settings, prompt.expand(len(strengths), -1))
    return tuple(
        _generation(run, strength, row[len(prompt) :].tolist())
        for strength, row in zip(strengths, ids, strict=True)
    )


def _continued(
    run: PreparedRun, settings: GenerationSettings, ids: Int[Tensor, "column position"]
) -> Int[Tensor, "column longer"]:
    """Texts with up to `max_tokens` further tokens; all have ended, or are of that length."""
    model, ended = run.model, torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    # Each column draws its own numbers, so that columns beside it do not matter.
    random = [torch.Generator().manual_seed(settings.seed) for _ in range(len(ids))]
    end = torch.tensor(_end_tokens(run), dtype=torch.long, device=ids.device)
    past = rotation = None
    with hooked(run, watched=False) as hooks:
        for _ in range(settings.max_tokens):
            needed = rotation_of(model.text_config, ids.shape[1])
            if past is None or needed != rotation:
                # Not the cache that the configuration asks for: one that forgets goes by settings that a
                # model's own attention may not know.
                past, rotation, hooks.start = DynamicCache() if settings.cache else None, needed, 0
            output = model.run(
                ids[:, hooks.start :], past_key_values=past, use_cache=settings.cache, logits_to_keep=1
            )
            hooks.start = ids.shape[1]
            if not hooks.is_finite_unchanged():
                break
            hooks.checked_logits()
            chosen = _chosen(output.logits[:, -1].float(), settings.temperature, random).to(ids.device)
            ids = torch.cat([ids, chosen[:, None]], dim=1)
            ended |= torch.isin(chosen, end)
            if bool(ended.all()):
                return ids
    if not hooks.is_finite_unchanged():  # from a generated token on: the prompt has been recorded
        refuse_not_finite(model, ids[:1])
    return ids


def _chosen(
    logits: Float[Tensor, "column vocabulary"], temperature: float, random: Sequence[torch.Generator]
) -> Int[Tensor, " column"]:
    if temperature == 0:
        return logits.argmax(dim=-1)
    below = logits.double() - logits.amax(dim=-1, keepdim=True)  # finite at any temperature
    share = (below / temperature).softmax(dim=-1).cpu()
    tokens = [
        torch.multinomial(row, 1, generator=generator) for row, generator in zip(share, random, strict=True)
    ]
    return torch.cat(tokens)


def _end_tokens(run: PreparedRun) -> list[int]:
    """The tokenizer's end of text, and those of the model's generation config."""
    config = getattr(run.model.network, "generation_config", None)
    named = getattr(config, "eos_token_id", None)
    ends = [run.model.tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])]
    return [end for end in dict.fromkeys(ends) if end is not None]


def _generation(run: PreparedRun, strength: float | None, ids: list[int]) -> Generation:
    ends = [ids.index(end) for end in _end_tokens(run) if end in ids]
    ids = ids[: min(ends, default=len(ids))]
    tokens = tuple(run.model.token_text(token) for token in ids)
    text = run.model.vocabulary.text_of(ids)
    return Generation(strength, tuple(ids), tokens, text)
