"""The configuration of transformers that a GGUF file's metadata means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from clew.model.gguf.architectures import GgufArchitecture, Settings
from clew.model.gguf.header import Damaged, GgufError, GgufHeader
from clew.model.gguf.metadata import Metadata
from clew.model.gguf.rope import rope_parameters
from clew.model.library_calls import library_call

TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
TOKEN_KEYS = {
    "bos_token_id": "tokenizer.ggml.bos_token_id",
    "eos_token_id": "tokenizer.ggml.eos_token_id",
    "pad_token_id": "tokenizer.ggml.padding_token_id",
}


def configuration(
    metadata: Metadata, header: GgufHeader, row: GgufArchitecture, rope_tensors: Mapping[str, np.ndarray]
) -> Any:
    """The configuration object of transformers, with nothing left to its defaults that a file may say.

    Raises `GgufError`, by the key's name, for a setting that is missing or that has another meaning here.
    """
    from transformers import AutoConfig

    settings: Settings = {"model_type": row.model_type, **row.fixed, **_token_ids(metadata)}
    for key, name in row.settings.items():
        settings[name] = metadata.positive(key) if key.endswith("epsilon") else metadata.whole(key)
    settings["vocab_size"] = _vocabulary(metadata, header)
    settings["tie_word_embeddings"] = "output.weight" not in header.tensors
    _check_layers(metadata, header)
    settings |= _heads(metadata, row, rope_tensors)
    if row.more is not None:
        settings = row.more(metadata, header, settings)
    with library_call(lambda reason: f"its settings do not fit together: {reason}", GgufError):
        return AutoConfig.for_model(settings.pop("model_type"), **settings)


def _token_ids(metadata: Metadata) -> Settings:
    return {name: metadata.whole(key, None, least=0) for name, key in TOKEN_KEYS.items()}


def _vocabulary(metadata: Metadata, header: GgufHeader) -> int:
    """The number of tokens, which embeddings, list of tokens and metadata must agree on."""
    n_tokens = len(metadata.items("tokenizer.ggml.tokens", str))
    if "token_embd.weight" not in header.tensors:
        raise GgufError("the tensor token_embd.weight is missing: it holds no whole model")
    rows = header.tensors["token_embd.weight"].shape[0]
    if rows != n_tokens:
        raise Damaged(f"it lists {n_tokens:,} tokens, but its embeddings have {rows:,} rows")
    if metadata.whole("vocab_size", n_tokens) != n_tokens:
        raise metadata.refusal("vocab_size", f"{n_tokens}, the number of its tokens")
    for key in TOKEN_KEYS.values():
        if (token := metadata.whole(key, None, least=0)) is not None and token >= n_tokens:
            raise metadata.refusal(key, f"one of its {n_tokens:,} tokens")
    return n_tokens


def _check_layers(metadata: Metadata, header: GgufHeader) -> None:
    """The layers of tensors must be those that the metadata counts, before a network is made of that many."""
    matches = (re.match(r"blk\.(\d+)\.", name) for name in header.tensors)
    found = 1 + max((int(match[1]) for match in matches if match), default=-1)
    if metadata.whole("block_count") != found:
        raise metadata.refusal("block_count", f"{found}, the number of layers among its tensors")


def _heads(metadata: Metadata, row: GgufArchitecture, rope_tensors: Mapping[str, np.ndarray]) -> Settings:
    """Numbers of heads, their width, and how they turn."""
    stream, n_heads = metadata.whole("embedding_length"), metadata.whole("attention.head_count")
    n_values = metadata.whole("attention.head_count_kv", n_heads)
    if n_heads % n_values:
        raise metadata.refusal("attention.head_count_kv", f"a divisor of its {n_heads} heads")
    width = metadata.whole("attention.key_length", None)
    if width is None or not row.head_width:
        if stream % n_heads or width not in (None, stream // n_heads):
            raise metadata.refusal("attention.head_count", f"a divisor of its stream of {stream}")
        width = stream // n_heads
    if metadata.whole("attention.value_length", width) != width:
        raise metadata.refusal("attention.value_length", f"{width}, the width of its queries and keys")
    settings: Settings = {"head_dim": width} if row.head_width else {}
    if not row.rotates:
        if n_values != n_heads:
            raise metadata.refusal("attention.head_count_kv", f"{n_heads}, the number of its heads")
        return settings
    settings["num_key_value_heads"] = n_values
    turning = metadata.whole("rope.dimension_count", *(() if row.partial_rotation else (width,)))
    if turning != width and not (row.partial_rotation and turning < width and turning % 2 == 0):
        raise metadata.refusal("rope.dimension_count", f"{width}, the width of its heads")
    rotation = rope_parameters(metadata, rope_tensors, turning, metadata.whole("context_length"))
    if turning != width:
        rotation["partial_rotary_factor"] = turning / width
    return {**settings, "rope_parameters": rotation}
