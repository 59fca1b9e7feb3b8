"""The cheap half of a check, which loading runs by itself: one short text, two passes, no graph."""

from __future__ import annotations

import torch

from clew.attribution.linear_map import LinearMap
from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording, record
from clew.model.tokenizer_calls import split_text
from clew.model_check.numbers import PROMPT, bounds_of, kl_divergence, plain_attention, random_ids

TOKENS = 4


@torch.no_grad()
def first_look(model: LanguageModel) -> None:
    """Raise `ClewError` for a model that clew does not read as transformers does, or that does not add up."""
    ids = split_text(model.tokenizer, PROMPT, special=True)[:TOKENS]
    recording = record(model, torch.tensor(ids if len(set(ids)) > 2 else random_ids(model, TOKENS)))
    with plain_attention(model) as attention:
        plain = model.next_token_logits(recording.token_ids[None])[0]
    kl, gap, bounds = kl_divergence(plain, recording.logits), stream_gap(model, recording), bounds_of(model)
    if not kl <= bounds.kl:
        raise _refusal(model, f"its logits differ from those of transformers with {attention} attention", kl)
    if not gap <= bounds.row:
        raise _refusal(model, "embedding, attention and MLPs do not add up to its last stream", gap)


def stream_gap(model: LanguageModel, recording: Recording) -> float:
    """The gap between the sum of all parts of the stream and the recorded one, relative to the latter."""
    linear, stream = LinearMap(model, recording), recording.embedding.unsqueeze(-1).clone()
    scratch = stream.new_empty(linear.attention(0).scratch_floats(*stream.shape[::2]))
    for layer in range(model.n_layers):
        linear.attention(layer).add_forward(stream, scratch)
        if (constant := linear.attention_constant(layer)) is not None:
            stream += constant.unsqueeze(-1)
        stream += recording.mlp_write[layer].unsqueeze(-1)
    gap = (stream.squeeze(-1) - recording.residual_final).norm(dim=-1)
    return float((gap / recording.residual_final.norm(dim=-1)).max())


def _refusal(model: LanguageModel, reason: str, number: float) -> ClewError:
    return ClewError(
        f"{model.name} is not read right: {reason} ({number:.1e}). Run clew check {model.name} to see more; "
        "to load it all the same, pass --no-check (check=False in Python)."
    )
