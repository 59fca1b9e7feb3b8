"""Ways to split text before its bytes are merged, by the names that GGUF has for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenizers import Regex, pre_tokenizers
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

Splitting = Callable[[], Any]
GPT_2_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def _by_patterns(*patterns: str) -> Splitting:
    """Split text by one pattern after the other; what is between matches stays whole."""
    return lambda: pre_tokenizers.Sequence(
        [
            *(pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in patterns),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _like_gpt2() -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _digits_apart() -> Any:
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


SPLITTINGS: dict[str, Splitting] = {
    **{name: _by_patterns(pattern) for name, pattern in GGUF_PRE_TOKENIZER_SPLITS.items()},
    **dict.fromkeys(("gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion"), _like_gpt2),
    **dict.fromkeys(
        ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"), _digits_apart
    ),
    "default": _by_patterns(r"[\p{P}\$\+<=>\^~\|]+", GPT_2_SPLIT, r"\p{N}+", "[0-9][0-9][0-9]"),
    "falcon": _by_patterns(r"[\p{P}\$\+<=>\^~\|`]+", GPT_2_SPLIT, "[0-9][0-9][0-9]"),
}
"""Ways to split text by `tokenizer.ggml.pre`, as llama.cpp has them."""

WHOLE_WORDS = ("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "tekken")
"""Splittings whose words are looked up whole before any merging."""
ADDS_BOS = WHOLE_WORDS
"""Splittings whose tokenizers put BOS in front where a file does not say."""

SPLITTING_OF_ARCHITECTURE = {
    "gpt2": "gpt-2",
    "starcoder2": "starcoder",
    "qwen2": "qwen2",
    "qwen3": "qwen2",
    "qwen3moe": "qwen2",
}
"""The splitting of files from before `tokenizer.ggml.pre`, where an architecture has only one."""
