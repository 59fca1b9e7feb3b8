"""Tiny models with each setting of their configuration that changes numbers, and each kind of RoPE."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from tests.tiny import CONFIG_BY_ARCHITECTURE, VOCABULARY, Shape, tiny_config, word_tokenizer

SHAPE = Shape(n_layers=2, d_mlp=16)
ORIGINAL = 16
"""Tokens of the original context, where RoPE is stretched."""

ROPE: dict[str, dict[str, Any]] = {
    "default": {},
    "linear": {"factor": 4.0},
    "dynamic": {"factor": 4.0},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": ORIGINAL},
    "longrope": {
        "original_max_position_embeddings": ORIGINAL,
        "short_factor": [1.0, 1.1, 1.2, 1.3],
        "long_factor": [2.0, 3.0, 5.0, 9.0],
    },
    "llama3": {
        "factor": 4.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": ORIGINAL,
    },
    "proportional": {"partial_rotary_factor": 0.5},
}
"""Kinds of RoPE that transformers computes, with their settings for heads of 8."""

PARTIAL = {"partial_rotary_factor": 0.5, "short_factor": [1.0, 1.2], "long_factor": [2.0, 7.0]}
"""Changes of LongRoPE's settings where half of a head is rotated."""

SLIDING = {"use_sliding_window": True, "sliding_window": 4}
ALTERNATING = {"layer_types": ["full_attention", "sliding_attention"]}
PHI_3 = {"hidden_size": 32, "original_max_position_embeddings": ORIGINAL}
"""Phi 3 checks factors against heads that share the stream."""

GEMMA_2 = {"query_pre_attn_scalar": 2, "attn_logit_softcapping": 1.5, "attention_bias": True}

SETTINGS: dict[str, list[dict[str, Any]]] = {
    "llama": [
        {"attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True, "rms_norm_eps": 0.1},
        {"num_key_value_heads": 1, "head_dim": 4, "pretraining_tp": 2, "attention_dropout": 0.5},
        {"sliding_window": 3},  # left over from another architecture: Llama has none
    ],
    "mistral": [{"sliding_window": None, "head_dim": None}, {"tie_word_embeddings": True}],
    "qwen2": [{**SLIDING, "max_window_layers": 1}, {**SLIDING, **ALTERNATING, "tie_word_embeddings": True}],
    "qwen3": [
        {**SLIDING, "max_window_layers": 1, "attention_bias": True},
        {**SLIDING, **ALTERNATING, "tie_word_embeddings": True, "head_dim": 16},
    ],
    "gemma": [{"attention_bias": True, "tie_word_embeddings": True, "hidden_act": "gelu"}],
    "gemma2": [
        {**GEMMA_2, **ALTERNATING, "final_logit_softcapping": 1.5},
        {"final_logit_softcapping": None, "attn_logit_softcapping": None, "tie_word_embeddings": True},
    ],
    "gemma3_text": [{**GEMMA_2, **ALTERNATING, "final_logit_softcapping": 1.5, "tie_word_embeddings": True}],
    "gemma3": [{**GEMMA_2, **ALTERNATING, "final_logit_softcapping": 1.5}],
    "starcoder2": [{"use_bias": False, "norm_epsilon": 0.1}, {"sliding_window": 4, "residual_dropout": 0.5}],
    "gpt2": [
        {"scale_attn_by_inverse_layer_idx": True, "n_inner": None, "layer_norm_epsilon": 0.1},
        {"scale_attn_weights": False, "reorder_and_upcast_attn": True, "tie_word_embeddings": True},
        {"add_cross_attention": True},
    ],
    "gpt_neox": [
        {"attention_bias": False, "layer_norm_eps": 0.1, "tie_word_embeddings": True},
        {"use_parallel_residual": False, "rope_parameters": {"partial_rotary_factor": 0.5}},
    ],
    "olmo2": [{"attention_bias": True, "num_key_value_heads": 4, "tie_word_embeddings": True}],
    "phi3": [
        {"sliding_window": 4, "num_key_value_heads": 4},
        {**PHI_3, "rope_parameters": {"rope_type": "longrope", **ROPE["longrope"], **PARTIAL}},
    ],
    "mixtral": [{"sliding_window": 4, "num_experts_per_tok": 1, "router_jitter_noise": 0.5}],
    "qwen3_moe": [
        {**SLIDING, "attention_bias": True, "norm_topk_prob": True, "mlp_only_layers": []},
        {"decoder_sparse_step": 2, "mlp_only_layers": [], "output_router_logits": True},
    ],
    "gpt_oss": [
        {**ALTERNATING, "attention_bias": False, "swiglu_alpha": 1.0, "swiglu_limit": 0.5},
        {"tie_word_embeddings": True, "output_router_logits": True},
    ],
    "llama4_text": [
        {"use_qk_norm": False, "attention_bias": True, "moe_layers": [0], "num_experts_per_tok": 1},
        {"no_rope_layers": [1, 0], "layer_types": None, "floor_scale": 2, "attn_scale": 0.5},
        {"no_rope_layers": [0, 1], "layer_types": None, "attn_temperature_tuning": False},
    ],
}
"""Bundles of settings by model type: those of each configuration class that change the model's numbers."""

ACTIVATION = {
    "gemma2": "hidden_activation",
    "gemma3_text": "hidden_activation",
    "gpt2": "activation_function",
}
"""Names of the setting of the activation function that are not `hidden_act`."""


def kind_of(architecture: str) -> str:
    return CONFIG_BY_ARCHITECTURE[architecture][0]


def configured(architecture: str, changes: dict[str, Any], seed: int = 0) -> Any:
    """A network with random weights whose text decoder has these settings."""
    kind, extra = CONFIG_BY_ARCHITECTURE[architecture]
    config = tiny_config(kind, extra, SHAPE)
    text = config.get_text_config()
    for name in ("layer_types", "mlp_only_layers", "moe_layers", "no_rope_layers"):
        if getattr(text, name, None):
            changes = {name: None, **changes}
    if text is config:
        config = type(config)(**{**config.to_dict(), **changes})
    else:
        config = type(config)(**{**config.to_dict(), "text_config": {**text.to_dict(), **changes}})
    config.architectures = [architecture.split(",")[0]]
    torch.manual_seed(seed)
    network: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            spread = 0.3 if "norm" in name or name.endswith("bias") else parameter.shape[-1] ** -0.5
            parameter.add_(torch.randn_like(parameter) * spread)
    return network.requires_grad_(False).eval()


def saved(network: Any, folder: Path) -> Path:
    """The folder of a network with a tokenizer of words."""
    network.save_pretrained(folder)
    word_tokenizer(VOCABULARY).save_pretrained(folder)
    return folder


def rope_changes(architecture: str, rope: str) -> Iterator[dict[str, Any]]:
    """Settings that give an architecture a kind of RoPE: none, one, or one for each kind of layer."""
    kind = kind_of(architecture)
    settings: dict[str, Any] = {"rope_type": rope, "rope_theta": 10_000.0, **ROPE[rope]}
    if kind == "gpt2" or (kind == "phi3" and rope not in ("default", "longrope")):
        return
    # The original context of dynamic scaling is the longest text.
    longest = {"max_position_embeddings": ORIGINAL} if rope == "dynamic" else {}
    if kind == "phi3":
        longest = PHI_3
    if kind == "gpt_neox":
        settings = {"partial_rotary_factor": 1.0, **settings}
    if not kind.startswith("gemma3"):
        yield {"rope_parameters": settings, **longest}
        return
    other = {"rope_type": "default", "rope_theta": 1000.0}
    for one, two in ((settings, other), (other, settings)):
        layers = {"full_attention": dict(one), "sliding_attention": dict(two)}
        yield {"rope_parameters": layers, **ALTERNATING, **longest}
