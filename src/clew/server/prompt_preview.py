"""A prompt as the loaded model reads it: its tokens, the likeliest next ones, and what cannot be traced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clew.errors import ClewError
from clew.server.schemas.models import Preview, PreviewRequest, TokenProbability

if TYPE_CHECKING:
    from torch import Tensor

    from clew.facade import Model
    from clew.model.language_model import LanguageModel
    from clew.model.messages import PromptLike
    from clew.model.prompt import Prompt

SHOWN = 10


def preview_prompt(model: Model, request: PreviewRequest, notes: Sequence[str]) -> Preview:
    """Tokens, likeliest next tokens and sink of a prompt, with problems of its sink and its targets.

    Raises `ClewError` for a prompt that cannot be traced.
    """
    network = model.language_model
    encoded, sink_problem = _encode(network, request.prompt_like, request.sink, model.dictionary.sink)
    logits = network.next_token_logits(encoded.token_ids[None])[0]
    return Preview(
        tokens=list(encoded.tokens),
        roles=list(encoded.roles),
        predictions=likeliest_tokens(model, logits),
        sink=encoded.sink.text if encoded.sink else None,
        sink_problem=sink_problem,
        target_problems=_target_problems(network, logits.softmax(-1), request.targets or []),
        notes=[*notes, *([encoded.changes] if encoded.changes else [])],
    )


def _encode(
    model: LanguageModel, prompt: PromptLike, sink: str | None, trained_behind: str | None
) -> tuple[Prompt, str | None]:
    """The prompt, and the reason where it has another sink than the wanted one."""
    from clew.model.prompt import encode_prompt

    try:
        return encode_prompt(model, prompt, sink, trained_behind), None
    except ClewError as error:
        if sink is None:
            raise
        return encode_prompt(model, prompt, trained_behind=trained_behind), str(error)


def _target_problems(model: LanguageModel, probability: Tensor, requests: Sequence[str]) -> list[str | None]:
    from clew.attribution.targets import named_target, named_twice

    problems: list[str | None] = []
    named = set()
    for request in requests:
        try:
            target = named_target(model, probability, request)
            if target.identity in named:
                raise named_twice(target)
            named.add(target.identity)
            problems.append(None)
        except ClewError as error:
            problems.append(str(error))
    return problems


def likeliest_tokens(model: Model, logits: Tensor, count: int = SHOWN) -> list[TokenProbability]:
    """The likeliest tokens of a distribution that is given as logits."""
    top = logits.softmax(-1).topk(min(count, len(logits)))
    return [
        TokenProbability(text=model.language_model.token_text(token), token_id=token, probability=probability)
        for token, probability in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]
