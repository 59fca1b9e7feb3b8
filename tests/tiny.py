"""Tiny random models of every architecture, with a tokenizer of whole words, made on the spot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from clew.model.anatomy import ANATOMIES
from clew.model.language_model import LanguageModel

VOCABULARY = 61

EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
SOME_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "mlp_only_layers": [1]}
CHUNKED = {**EXPERTS, "interleave_moe_layer_step": 2, "attention_chunk_size": 4}
WINDOW = {"sliding_window": 3, "query_pre_attn_scalar": 8}

CONFIG_BY_ARCHITECTURE = {
    "LlamaForCausalLM": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "MistralForCausalLM": ("mistral", {"sliding_window": 3}),
    "Qwen2ForCausalLM": ("qwen2", {}),
    "Qwen3ForCausalLM": ("qwen3", {}),
    "GemmaForCausalLM": ("gemma", {}),
    "Gemma2ForCausalLM": ("gemma2", WINDOW),
    "Gemma3ForCausalLM": ("gemma3_text", WINDOW),
    "Gemma3ForConditionalGeneration": ("gemma3", WINDOW),
    "Starcoder2ForCausalLM": ("starcoder2", {"use_bias": True, "sliding_window": None}),
    "GPT2LMHeadModel": ("gpt2", {"n_inner": 20}),
    "GPTNeoXForCausalLM": ("gpt_neox", {"rotary_pct": 1.0}),
    "GPTNeoXForCausalLM, sequential": ("gpt_neox", {"rotary_pct": 1.0, "use_parallel_residual": False}),
    "Olmo2ForCausalLM": ("olmo2", {}),
    "Phi3ForCausalLM": ("phi3", {}),
    "MixtralForCausalLM": ("mixtral", EXPERTS),
    "Qwen3MoeForCausalLM": (
        "qwen3_moe",
        {"num_experts": 4, "num_experts_per_tok": 2, "mlp_only_layers": [1]},
    ),
    "GptOssForCausalLM": ("gpt_oss", {**EXPERTS, "sliding_window": 3}),
    "Llama4ForCausalLM": (
        "llama4_text",
        {**EXPERTS, "interleave_moe_layer_step": 2, "attention_chunk_size": 4},
    ),
}
"""Model type and settings by class; a class with several lines has its variant after a comma."""

WITH_NEURONS = [name for name in CONFIG_BY_ARCHITECTURE if ANATOMIES[name.split(",")[0]].neurons]
MIXTURES = [name for name in CONFIG_BY_ARCHITECTURE if name not in WITH_NEURONS]
HEADS_SHARE_THE_STREAM = ("starcoder2", "gpt2", "gpt_neox")
"""Model types whose head size is always d_model / heads."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a tiny model."""

    n_layers: int = 3
    n_heads: int = 4
    n_value_heads: int = 2
    head_dim: int = 8
    d_model: int = 24
    d_mlp: int = 20
    vocabulary: int = VOCABULARY


def tiny_model(architecture: str, shape: Shape = Shape(), seed: int = 0, dtype: torch.dtype = torch.float32):
    """A `LanguageModel` with random weights, biases and gains (none of them at their trivial start)."""
    kind, extra = CONFIG_BY_ARCHITECTURE[architecture]
    architecture = architecture.split(",")[0]
    config = tiny_config(kind, extra, shape)
    config.architectures = [architecture]
    torch.manual_seed(seed)
    # The faster implementation of experts needs wider matrices than these.
    options: dict[str, Any] = {"attn_implementation": "eager", "experts_implementation": "eager"}
    network = AutoModelForCausalLM.from_config(config, dtype=dtype, **options)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            spread = 0.3 if "norm" in name or name.endswith("bias") else parameter.shape[-1] ** -0.5
            parameter.add_(torch.randn_like(parameter) * spread)
    network.requires_grad_(False).eval()
    return LanguageModel("tiny", network, word_tokenizer(), ANATOMIES[architecture])


def tiny_config(kind: str, extra: dict[str, Any], shape: Shape = Shape()) -> Any:
    """A configuration of these sizes."""
    configuration: Any = CONFIG_MAPPING[kind]
    if kind == "gemma3":  # its text decoder is a Gemma 3; a text never reaches the vision tower beside it
        vision = {"hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
        text = tiny_config("gemma3_text", extra, shape)
        return configuration(text_config=text, vision_config=vision, tie_word_embeddings=False)
    d_model = shape.n_heads * shape.head_dim if kind in HEADS_SHARE_THE_STREAM else shape.d_model
    return configuration(
        vocab_size=shape.vocabulary,
        hidden_size=d_model,
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


def word_tokenizer(n_words: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """Words `w2`, `w3` ... with `<a>` and `<b>` as special tokens; it adds no BOS."""
    vocabulary = {"<a>": 0, "<b>": 1} | {f"w{number}": number for number in range(2, n_words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w2"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<a>", eos_token="<b>", unk_token="w2"
    )


def random_ids(n_positions: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(2, VOCABULARY, (n_positions,), generator=generator)
