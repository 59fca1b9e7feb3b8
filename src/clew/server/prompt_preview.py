"""A prompt as the loaded model reads it: its tokens, and the likeliest next ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.server.schemas.models import Preview, TokenProbability

if TYPE_CHECKING:
    from torch import Tensor

    from clew.facade import Model

SHOWN = 10


def preview_prompt(model: Model, prompt: str, sink: str | None) -> Preview:
    """Tokens, likeliest next tokens and sink of a prompt; raises `ClewError` as tracing would."""
    from clew.model.prompt import encode_prompt

    network = model.language_model
    encoded = encode_prompt(network, prompt, sink)
    logits = network.next_token_logits(encoded.token_ids[None])[0]
    return Preview(
        tokens=list(encoded.tokens),
        predictions=likeliest_tokens(model, logits),
        sink=encoded.sink.text if encoded.sink else None,
    )


def likeliest_tokens(model: Model, logits: Tensor, count: int = SHOWN) -> list[TokenProbability]:
    """The likeliest tokens of a distribution that is given as logits."""
    top = logits.softmax(-1).topk(min(count, len(logits)))
    return [
        TokenProbability(text=model.language_model.token_text(token), token_id=token, probability=probability)
        for token, probability in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]
