"""GGUF files of tiny models, written as llama.cpp's converter writes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM

from tests.tiny import CONFIG_BY_ARCHITECTURE, VOCABULARY, Shape, tiny_config

SHAPE = Shape(n_layers=2, n_heads=2, n_value_heads=2, head_dim=16, d_model=32, d_mlp=20)
CONTEXT = 1024
WORDS = ["<s>", "</s>", "a", "b", "Ġ", "ĠĠ", *(f"w{number}" for number in range(6, VOCABULARY))]

KINDS = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "llama",
    "MixtralForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3moe",
    "GemmaForCausalLM": "gemma",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3",
    "Starcoder2ForCausalLM": "starcoder2",
    "GPT2LMHeadModel": "gpt2",
    "Phi3ForCausalLM": "phi3",
    "GptOssForCausalLM": "gpt-oss",
}
"""Architectures of GGUF by class."""
TIED = ("GemmaForCausalLM", "Gemma2ForCausalLM", "Starcoder2ForCausalLM")
"""Classes whose files hold no separate unembedding."""
SETTINGS: dict[str, dict[str, Any]] = {
    "Gemma2ForCausalLM": {"query_pre_attn_scalar": SHAPE.head_dim},
    "Gemma3ForCausalLM": {
        "query_pre_attn_scalar": SHAPE.head_dim,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "Qwen3MoeForCausalLM": {"norm_topk_prob": True, "mlp_only_layers": [], "moe_intermediate_size": 12},
}
"""Settings that llama.cpp takes for granted, and others than transformers' defaults."""


@dataclass
class TinyGguf:
    """What a file will hold: entries by key, without the architecture in front, and tensors by name."""

    kind: str
    entries: dict[str, Any]
    tensors: dict[str, np.ndarray] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        writer = gguf.GGUFWriter(path, self.kind)
        for key, value in self.entries.items():
            own = key.startswith(("general.", "tokenizer.", "split.", "other.", "quantize."))
            add_entry(writer, key if own else f"{self.kind}.{key}", value)
        for name, values in self.tensors.items():
            writer.add_tensor(name, np.ascontiguousarray(values, dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path


def add_entry(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    kinds = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
    kinds[list] = writer.add_array
    kinds[type(value)](key, value)


def random_network(architecture: str, rope: Mapping[str, Any] | None = None, **settings: Any) -> Any:
    """A random model of a class in the table, with these `rope_parameters` and settings."""
    kind, extra = CONFIG_BY_ARCHITECTURE[architecture]
    config = tiny_config(kind, {**extra, **SETTINGS.get(architecture, {})}, SHAPE)
    config.max_position_embeddings = CONTEXT
    config.tie_word_embeddings = architecture in TIED
    for name, value in settings.items():
        setattr(config, name, value)
    if rope is not None:
        nested = "full_attention" in config.rope_parameters
        config.rope_parameters = {**config.rope_parameters, "full_attention": rope} if nested else dict(rope)
    torch.manual_seed(0)
    options: dict[str, Any] = {"attn_implementation": "eager", "experts_implementation": "eager"}
    network = AutoModelForCausalLM.from_config(config, **options).eval().requires_grad_(False)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            spread = 0.3 if "norm" in name or name.endswith("bias") else parameter.shape[-1] ** -0.5
            parameter.add_(torch.randn_like(parameter) * spread)
    return network


def as_gguf(network: Any) -> TinyGguf:
    """The file that llama.cpp's converter makes of a network."""
    kind = KINDS[type(network).__name__]
    file = TinyGguf(kind, {**_settings(network.config, kind), **tokenizer_entries(kind)})
    key = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == kind)
    names = gguf.get_tensor_name_map(key, network.config.num_hidden_layers)
    for name, values in network.state_dict().items():
        if network.config.tie_word_embeddings and name == "lm_head.weight":
            continue
        _add_tensor(file, names, name, values.numpy(), network.config)
    return file


def _settings(config: Any, kind: str) -> dict[str, Any]:
    entries: dict[str, Any] = {
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": SHAPE.d_mlp,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": SHAPE.n_value_heads,
    }
    if kind in ("gpt2", "starcoder2"):
        entries["attention.layer_norm_epsilon"] = 1e-5
    else:
        entries["attention.layer_norm_rms_epsilon"] = config.rms_norm_eps
    if kind != "gpt2":
        entries["attention.key_length"] = entries["attention.value_length"] = SHAPE.head_dim
        entries |= _rope(config)
    if kind == "gemma3":
        sliding = [each == "sliding_attention" for each in config.layer_types]
        entries["attention.sliding_window_pattern"] = sliding
    if (window := getattr(config, "sliding_window", None)) or kind == "phi3":
        entries["attention.sliding_window"] = window or 0
    for cap in ("attn_logit_softcapping", "final_logit_softcapping"):
        if getattr(config, cap, None):
            entries[cap] = getattr(config, cap)
    if kind == "gpt-oss":
        entries["expert_feed_forward_length"] = SHAPE.d_mlp
    if experts := getattr(config, "num_local_experts", getattr(config, "num_experts", None)):
        entries |= {"expert_count": experts, "expert_used_count": config.num_experts_per_tok}
        if kind == "qwen3moe":
            entries["expert_feed_forward_length"] = config.moe_intermediate_size
    return entries


def _rope(config: Any) -> dict[str, Any]:
    rope = config.rope_parameters
    rope = rope.get("full_attention", rope)
    share = rope.get("partial_rotary_factor", 1.0)
    entries = {"rope.freq_base": rope["rope_theta"], "rope.dimension_count": int(SHAPE.head_dim * share)}
    kind = rope["rope_type"]
    if kind in ("linear", "yarn"):
        entries |= {"rope.scaling.type": kind, "rope.scaling.factor": rope["factor"]}
    if kind in ("yarn", "longrope"):
        entries["rope.scaling.original_context_length"] = rope["original_max_position_embeddings"]
    if kind == "longrope":
        original = rope["original_max_position_embeddings"]
        scale = math.log(config.max_position_embeddings / original) / math.log(original)
        entries["rope.scaling.attn_factor"] = math.sqrt(1 + scale)
    return entries


def rope_tensors(config: Any) -> dict[str, np.ndarray]:
    """Divisors of frequencies, which llama.cpp keeps as tensors."""
    rope = getattr(config, "rope_parameters", {})
    rope = rope.get("full_attention", rope)
    if rope.get("rope_type") == "llama3":
        return {"rope_freqs.weight": llama3_divisors(rope, SHAPE.head_dim)}
    if rope.get("rope_type") == "longrope":
        names = {"rope_factors_long.weight": "long_factor", "rope_factors_short.weight": "short_factor"}
        return {name: np.array(rope[key]) for name, key in names.items()}
    return {}


def llama3_divisors(rope: Mapping[str, Any], width: int) -> np.ndarray:
    """As in `convert_hf_to_gguf.py`."""
    original, low, high = (
        rope[key] for key in ("original_max_position_embeddings", "low_freq_factor", "high_freq_factor")
    )
    divisors = []
    for exponent in np.arange(0, width, 2) / width:
        wavelength = 2 * math.pi * rope["rope_theta"] ** exponent
        if wavelength < original / high:
            divisors.append(1.0)
        elif wavelength > original / low:
            divisors.append(rope["factor"])
        else:
            smooth = (original / wavelength - low) / (high - low)
            divisors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(divisors)


SPLITTINGS = {"starcoder2": "starcoder", "qwen2": "qwen2", "qwen3": "qwen2", "qwen3moe": "qwen2"}
"""Ways to split text by architecture; GPT-2's for the others."""


def tokenizer_entries(kind: str) -> dict[str, Any]:
    """A byte-level tokenizer of `WORDS`."""
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": SPLITTINGS.get(kind, "gpt-2"),
        "tokenizer.ggml.tokens": WORDS,
        "tokenizer.ggml.token_type": [3, 3] + [1] * (VOCABULARY - 2),
        "tokenizer.ggml.merges": ["Ġ Ġ"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
    }


def _add_tensor(file: TinyGguf, names: Any, name: str, values: np.ndarray, config: Any) -> None:
    stem, _, suffix = name.rpartition(".")
    if file.kind == "gpt-oss" and suffix.startswith(("gate_up_proj", "down_proj", "sinks")):
        _add_of_gpt_oss(file, f"blk.{name.split('.')[2]}", suffix, values)
        return
    if suffix == "gate_up_proj":
        layer = name.split(".")[2]
        for part, half in zip(("gate", "up"), np.split(values, 2, axis=1), strict=True):
            file.tensors[f"blk.{layer}.ffn_{part}_exps.weight"] = half
        return
    if suffix == "down_proj":
        file.tensors[f"blk.{name.split('.')[2]}.ffn_down_exps.weight"] = values
        return
    changed = _as_stored(file.kind, name, values, config)
    file.tensors[f"{names.get_name(stem)}.{suffix}"] = changed


def _add_of_gpt_oss(file: TinyGguf, layer: str, name: str, values: np.ndarray) -> None:
    """Experts with outputs first and gates apart; sinks, which have no suffix of their own."""
    if name == "sinks":
        file.tensors[f"{layer}.attn_sinks.weight"] = values
        return
    suffix = "bias" if name.endswith("_bias") else "weight"
    values = values.swapaxes(1, -1) if suffix == "weight" else values
    if name.startswith("down_proj"):
        file.tensors[f"{layer}.ffn_down_exps.{suffix}"] = values
        return
    for first, part in enumerate(("gate", "up")):
        file.tensors[f"{layer}.ffn_{part}_exps.{suffix}"] = values[:, first::2]


def _as_stored(kind: str, name: str, values: np.ndarray, config: Any) -> np.ndarray:
    if kind == "llama" and ("q_proj" in name or "k_proj" in name):
        heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
        return values.reshape(heads, 2, -1, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
    if kind == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
        return values.T
    if kind.startswith("gemma") and name.endswith("norm.weight"):
        return values + 1
    return values


def kl_of_folder(network: Any, folder: Path, n_tokens: int, load: Callable[[Path], Any]) -> float:
    """KL in nats between a network's next token and that of the model in a folder, after random tokens."""
    generator = torch.Generator().manual_seed(n_tokens)
    ids = torch.randint(2, VOCABULARY, (1, n_tokens), generator=generator)
    expected = network(input_ids=ids, use_cache=False).logits[0, -1].double().log_softmax(-1)
    found = load(folder).next_token_logits(ids)[0].double().log_softmax(-1)
    return float((expected.exp() * (expected - found)).sum())
