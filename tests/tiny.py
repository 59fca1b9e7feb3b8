"""Tiny random models of every architecture, with a tokenizer of whole words, made on the spot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from clew.model.anatomy import anatomy_of
from clew.model.language_model import LanguageModel

VOCABULARY = 61

CONFIG_BY_ARCHITECTURE = {
    "LlamaForCausalLM": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "MistralForCausalLM": ("mistral", {"sliding_window": 3}),
    "Qwen2ForCausalLM": ("qwen2", {}),
    "Qwen3ForCausalLM": ("qwen3", {}),
    "Gemma2ForCausalLM": ("gemma2", {"sliding_window": 3, "query_pre_attn_scalar": 8}),
    "Gemma3ForCausalLM": ("gemma3_text", {"sliding_window": 3, "query_pre_attn_scalar": 8}),
    "Starcoder2ForCausalLM": ("starcoder2", {"use_bias": True, "sliding_window": None}),
}


@dataclass(frozen=True)
class Shape:
    """Sizes of a tiny model."""

    n_layers: int = 3
    n_heads: int = 4
    n_value_heads: int = 2
    head_dim: int = 8
    d_model: int = 24
    d_mlp: int = 20


def tiny_model(architecture: str, shape: Shape = Shape(), seed: int = 0, dtype: torch.dtype = torch.float32):
    """A `LanguageModel` with random weights, biases and gains (none of them at their trivial start)."""
    kind, extra = CONFIG_BY_ARCHITECTURE[architecture]
    configuration: Any = CONFIG_MAPPING[kind]
    config = configuration(
        vocab_size=VOCABULARY,
        hidden_size=shape.d_model,
        intermediate_size=shape.d_mlp,
        num_hidden_layers=shape.n_layers,
        num_attention_heads=shape.n_heads,
        num_key_value_heads=shape.n_value_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        attention_dropout=0.0,
        **extra,
    )
    if kind == "starcoder2":  # its head size is always d_model / heads
        config.hidden_size = shape.n_heads * shape.head_dim
    config.architectures = [architecture]
    torch.manual_seed(seed)
    network = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=dtype)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            spread = 0.3 if "norm" in name or name.endswith("bias") else parameter.shape[-1] ** -0.5
            parameter.add_(torch.randn_like(parameter) * spread)
    network.requires_grad_(False).eval()
    return LanguageModel("tiny", network, word_tokenizer(), anatomy_of(architecture))


def word_tokenizer(n_words: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """Words `w2`, `w3` ... with `<a>` and `<b>` as special tokens; adds no BOS by itself."""
    vocabulary = {"<a>": 0, "<b>": 1} | {f"w{number}": number for number in range(2, n_words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w2"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<a>", eos_token="<b>", unk_token="w2"
    )


def random_ids(n_positions: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(2, VOCABULARY, (n_positions,), generator=generator)
