"""The prompt of speed and memory: a text as long as wanted."""

from __future__ import annotations

from pathlib import Path

from clew.model.language_model import LanguageModel
from clew.model.prompt import usual_front
from clew.model.template import encode_text


def long_prompt_ids(model: LanguageModel, count: int) -> list[int]:
    """The first `count` token ids of `long_prompt.txt`, the sink included."""
    text = (Path(__file__).parent / "long_prompt.txt").read_text()
    return [*usual_front(model), *encode_text(model, text).bare][:count]
