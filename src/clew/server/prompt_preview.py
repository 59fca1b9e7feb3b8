"""A text as the loaded model reads it: its tokens, and what would come next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clew.facade import Model

SHOWN = 10


def look(model: Model, prompt: str, sink: str | None) -> dict[str, Any]:
    """Tokens, likeliest next tokens and sink of a prompt; raises `ClewError` as tracing would."""
    from clew.model.prompt import encode_prompt

    network = model.language_model
    encoded = encode_prompt(network, prompt, sink)
    logits = network.next_token_logits(encoded.token_ids[None])[0]
    return {
        "tokens": list(encoded.tokens),
        "predictions": likeliest(model, logits),
        "sink": encoded.sink.text if encoded.sink else None,
    }


def likeliest(model: Model, logits: Any, count: int = SHOWN) -> list[dict[str, Any]]:
    """The likeliest tokens of a distribution given as logits."""
    top = logits.softmax(-1).topk(min(count, len(logits)))
    return [
        {"text": model.language_model.token_text(token), "probability": probability}
        for token, probability in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]
