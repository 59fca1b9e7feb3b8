"""A tokenizer asked for the tokens of a text; what it raises becomes a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clew.model.library_calls import library_call


def split_text(tokenizer: Any, text: str | Sequence[str], special: bool = False, **options: Any) -> Any:
    """The ids of a text, or of each of several, with the special tokens of its template if `special`.

    Raises `ClewError` for whatever stops the tokenizer, whose settings came with a model.
    """
    return encoding(tokenizer, text, special, **options)["input_ids"]


def encoding(tokenizer: Any, text: str | Sequence[str], special: bool = False, **options: Any) -> Any:
    """All that a tokenizer says of a text or of several, as `split_text` asks it."""
    with library_call(
        lambda reason: f"The model's tokenizer cannot split a text: {reason}; fetch its files again."
    ):
        return tokenizer(
            text if isinstance(text, str) else list(text),
            add_special_tokens=special,
            verbose=False,
            **options,
        )
