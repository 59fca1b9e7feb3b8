"""The table of GGUF architectures: a row says where a network has the settings and tensors of a file.

To add one, add a row, and a line to `tests/model/test_gguf_architectures.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clew.model.gguf.header import GgufError, GgufHeader
from clew.model.gguf.metadata import Metadata

CLOSE = 1e-6
"""The largest relative difference at which a number in single precision stands for another."""
Settings = dict[str, Any]
"""Fields of a configuration of transformers."""


@dataclass(frozen=True)
class GgufArchitecture:
    """One architecture of GGUF; the defaults are Llama's."""

    model_type: str
    settings: Mapping[str, str]
    """Fields of the configuration by keys of metadata, without the architecture in front."""
    layer: Mapping[str, str]
    """Names in a decoder layer by names behind `blk.N.`, both without `.weight` or `.bias`."""
    top: Mapping[str, str] = field(default_factory=lambda: TOP)
    """The same for tensors that belong to no layer."""
    layers: str = "model.layers"
    """The list of decoder layers."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Settings that the architecture implies; a file does not say them."""
    more: Callable[[Metadata, GgufHeader, Settings], Settings] | None = None
    """Settings that take more than a name, from those found so far."""
    permuted: bool = False
    """True if queries and keys are stored with the two halves of each rotation side by side."""
    transposed: tuple[str, ...] = ()
    """Names in a layer whose weights transformers stores with inputs first."""
    interleaved_experts: bool = False
    """True if transformers stores experts with inputs first, and each gate beside what it gates."""
    norm_offset: float = 0.0
    """The number that a file adds to the weights of norms."""
    rotates: bool = True
    """False for learned positions."""
    head_width: bool = True
    """False if the configuration has no head width of its own: heads share the stream."""
    partial_rotation: bool = False
    """True if only a part of each head may turn."""


TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}

ATTENTION = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
}
GATED = {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
PLAIN = {"ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}
EXPERTS = {
    "ffn_gate_inp": "mlp.gate",
    "ffn_gate_exps": "mlp.experts.gate_up_proj",
    "ffn_up_exps": "mlp.experts.gate_up_proj",
    "ffn_down_exps": "mlp.experts.down_proj",
}
LLAMA = {**ATTENTION, "ffn_norm": "post_attention_layernorm", **GATED}
QUERY_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
GEMMA_2 = {
    **ATTENTION,
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    **GATED,
    "post_ffw_norm": "post_feedforward_layernorm",
}

SIZES = {
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "attention.head_count": "num_attention_heads",
}
RMS = {"attention.layer_norm_rms_epsilon": "rms_norm_eps"}
DECODER = {**SIZES, "feed_forward_length": "intermediate_size", **RMS}
SOME_EXPERTS = {"expert_used_count": "num_experts_per_tok"}


def _llama(metadata: Metadata, header: GgufHeader, settings: Settings) -> Settings:
    """Llama, or a model that llama.cpp calls so: Mistral has a window, Mixtral experts."""
    window = metadata.whole("attention.sliding_window", 0, least=0)
    if metadata.whole("expert_count", 0, least=0):
        _check_experts(metadata)
        settings = {**settings, "model_type": "mixtral", "num_local_experts": metadata.whole("expert_count")}
        return {
            **settings,
            "num_experts_per_tok": metadata.whole("expert_used_count"),
            "sliding_window": window or None,
        }
    if window:
        return {**settings, "model_type": "mistral", "sliding_window": window}
    attention_bias, mlp_bias = (_has(header, stem) for stem in ("attn_q.bias", "ffn_up.bias"))
    return {**settings, "attention_bias": attention_bias, "mlp_bias": mlp_bias}


def _check_experts(metadata: Metadata) -> None:
    if metadata.whole("expert_used_count") > metadata.whole("expert_count"):
        raise metadata.refusal("expert_used_count", "among the numbers up to that of its experts")


def _qwen3_moe(metadata: Metadata, header: GgufHeader, settings: Settings) -> Settings:
    _check_experts(metadata)
    return {
        **settings,
        "mlp_only_layers": [],
        "norm_topk_prob": metadata.flag("expert_weights_norm", True),
        "intermediate_size": metadata.whole("feed_forward_length", settings["moe_intermediate_size"]),
    }


def _gpt_oss(metadata: Metadata, header: GgufHeader, settings: Settings) -> Settings:
    """Experts are weighted by a softmax over those that were chosen, which is number 3 in llama.cpp.

    The ramp of its YaRN begins and ends between dimensions; llama.cpp rounds both, and the original does not.
    """
    _check_experts(metadata)
    width = settings["intermediate_size"]
    if metadata.whole("feed_forward_length", width) != width:
        raise metadata.refusal("feed_forward_length", f"{width}, the width of its experts")
    if metadata.whole("expert_gating_func", 3) != 3:
        raise metadata.refusal("expert_gating_func", "3, as this architecture has it")
    rotation = settings["rope_parameters"]
    if rotation["rope_type"] == "yarn":
        rotation = {**rotation, "truncate": False}
    return {**settings, "rope_parameters": rotation, **_windows(metadata, settings, 2)}


def _starcoder2(metadata: Metadata, header: GgufHeader, settings: Settings) -> Settings:
    window = metadata.whole("attention.sliding_window", 0, least=0)
    return {**settings, "sliding_window": window or None, "use_bias": _has(header, "attn_q.bias")}


def _phi3(metadata: Metadata, header: GgufHeader, settings: Settings) -> Settings:
    context = settings["max_position_embeddings"]
    rotation = settings["rope_parameters"]
    if rotation["rope_type"] not in ("default", "longrope"):
        raise GgufError(f"transformers has no {rotation['rope_type']} scaling of positions for Phi 3")
    original = rotation.get("original_max_position_embeddings", context)
    window = metadata.whole("attention.sliding_window", least=0)
    return {**settings, "sliding_window": window or None, "original_max_position_embeddings": original}


def _gemma2(metadata: Metadata, header: GgufHeader, settings: Settings) -> Settings:
    soft_caps = {
        "attn_logit_softcapping": metadata.positive("attn_logit_softcapping"),
        "final_logit_softcapping": metadata.positive("final_logit_softcapping"),
    }
    return {
        **settings,
        **soft_caps,
        **_windows(metadata, settings, 2),
        **_query_scale(metadata, settings, 46),
    }


def _gemma3(metadata: Metadata, header: GgufHeader, settings: Settings) -> Settings:
    """Layers with a window have a rotation of their own, which no scaling changes."""
    local = {"rope_type": "default", "rope_theta": metadata.positive("rope.freq_base_swa", 10_000.0)}
    rotations = {"full_attention": settings["rope_parameters"], "sliding_attention": local}
    return {
        **settings,
        "rope_parameters": rotations,
        "final_logit_softcapping": metadata.positive("final_logit_softcapping", None),
        **_windows(metadata, settings, 6),
        **_query_scale(metadata, settings, 62),
    }


def _windows(metadata: Metadata, settings: Settings, period: int) -> Settings:
    """The window, and the layers that have it: by default all but every `period`-th."""
    key, n_layers = "attention.sliding_window_pattern", settings["num_hidden_layers"]
    if isinstance(metadata.entries.get(metadata.full(key)), list):
        sliding = metadata.items(key, bool)
        if len(sliding) != n_layers:
            raise metadata.refusal(key, f"a list of {n_layers} truth values")
    else:
        period = metadata.whole(key, period)
        sliding = [layer % period < period - 1 for layer in range(n_layers)]
    kinds = ["sliding_attention" if each else "full_attention" for each in sliding]
    return {"sliding_window": metadata.whole("attention.sliding_window"), "layer_types": kinds}


def _query_scale(metadata: Metadata, settings: Settings, largest: int) -> Settings:
    """Scores are divided by the root of this: the head's width, or another in the largest model."""
    if scale := metadata.number("attention.scale", 0.0):
        scalar = round(scale**-2)
        if scale < 0 or scalar < 1 or abs(scale * scalar**0.5 - 1) > CLOSE:
            raise metadata.refusal("attention.scale", "one over the root of a whole number")
        return {"query_pre_attn_scalar": scalar}
    if settings["num_hidden_layers"] == largest:  # the 27B model, as llama.cpp knows it
        return {"query_pre_attn_scalar": settings["hidden_size"] // settings["num_attention_heads"]}
    return {"query_pre_attn_scalar": settings["head_dim"]}


def _has(header: GgufHeader, stem: str) -> bool:
    return any(name.startswith("blk.") and name.endswith(f".{stem}") for name in header.tensors)


ARCHITECTURES: dict[str, GgufArchitecture] = {
    "llama": GgufArchitecture(
        "llama", DECODER, {**LLAMA, **EXPERTS}, fixed={"hidden_act": "silu"}, more=_llama, permuted=True
    ),
    "qwen2": GgufArchitecture(
        "qwen2",
        DECODER,
        LLAMA,
        fixed={"hidden_act": "silu", "use_sliding_window": False},
    ),
    "qwen3": GgufArchitecture(
        "qwen3",
        DECODER,
        {**LLAMA, **QUERY_NORMS},
        fixed={"hidden_act": "silu", "use_sliding_window": False, "attention_bias": False},
    ),
    "qwen3moe": GgufArchitecture(
        "qwen3_moe",
        {
            **SIZES,
            **RMS,
            **SOME_EXPERTS,
            "expert_count": "num_experts",
            "expert_feed_forward_length": "moe_intermediate_size",
        },
        {**LLAMA, **QUERY_NORMS, **EXPERTS},
        fixed={
            "hidden_act": "silu",
            "use_sliding_window": False,
            "attention_bias": False,
            "decoder_sparse_step": 1,
        },
        more=_qwen3_moe,
    ),
    "gpt-oss": GgufArchitecture(
        "gpt_oss",
        {
            **SIZES,
            **RMS,
            **SOME_EXPERTS,
            "expert_count": "num_local_experts",
            "expert_feed_forward_length": "intermediate_size",
        },
        {
            **ATTENTION,
            **EXPERTS,
            "attn_sinks": "self_attn.sinks",
            "post_attention_norm": "post_attention_layernorm",
            "ffn_gate_inp": "mlp.router",
        },
        fixed={"hidden_act": "silu", "attention_bias": True, "swiglu_alpha": 1.702, "swiglu_limit": 7.0},
        more=_gpt_oss,
        interleaved_experts=True,
    ),
    "gemma": GgufArchitecture(
        "gemma", DECODER, LLAMA, fixed={"hidden_act": "gelu_pytorch_tanh"}, norm_offset=1.0
    ),
    "gemma2": GgufArchitecture(
        "gemma2",
        DECODER,
        GEMMA_2,
        fixed={"hidden_activation": "gelu_pytorch_tanh"},
        more=_gemma2,
        norm_offset=1.0,
    ),
    "gemma3": GgufArchitecture(
        "gemma3_text",
        DECODER,
        {**GEMMA_2, **QUERY_NORMS},
        fixed={"hidden_activation": "gelu_pytorch_tanh"},
        more=_gemma3,
        norm_offset=1.0,
    ),
    "starcoder2": GgufArchitecture(
        "starcoder2",
        {**SIZES, "feed_forward_length": "intermediate_size", "attention.layer_norm_epsilon": "norm_epsilon"},
        {**ATTENTION, "ffn_norm": "post_attention_layernorm", **PLAIN},
        fixed={"hidden_act": "gelu_pytorch_tanh"},
        more=_starcoder2,
        head_width=False,
    ),
    "gpt2": GgufArchitecture(
        "gpt2",
        {
            "context_length": "n_positions",
            "embedding_length": "n_embd",
            "block_count": "n_layer",
            "attention.head_count": "n_head",
            "feed_forward_length": "n_inner",
            "attention.layer_norm_epsilon": "layer_norm_epsilon",
        },
        {
            "attn_norm": "ln_1",
            "attn_qkv": "attn.c_attn",
            "attn_output": "attn.c_proj",
            "ffn_norm": "ln_2",
            **PLAIN,
        },
        top={
            "token_embd": "transformer.wte",
            "position_embd": "transformer.wpe",
            "output_norm": "transformer.ln_f",
            "output": "lm_head",
        },
        layers="transformer.h",
        fixed={"activation_function": "gelu_new"},
        transposed=("attn_qkv", "attn_output", "ffn_up", "ffn_down"),
        rotates=False,
        head_width=False,
    ),
    "phi3": GgufArchitecture(
        "phi3",
        DECODER,
        {
            "attn_norm": "input_layernorm",
            "attn_qkv": "self_attn.qkv_proj",
            "attn_output": "self_attn.o_proj",
            "ffn_norm": "post_attention_layernorm",
            "ffn_up": "mlp.gate_up_proj",
            "ffn_down": "mlp.down_proj",
        },
        fixed={"hidden_act": "silu"},
        more=_phi3,
        partial_rotation=True,
    ),
}
"""Rows by `general.architecture`."""


def architecture_of(metadata: Metadata) -> GgufArchitecture:
    """The row of a file, which must hold a whole model. Raises `GgufError` for another."""
    kind = metadata.text("general.type", "model")
    if kind != "model":
        what = {"adapter": "an adapter", "mmproj": "a projector for images or sound", "vocab": "a vocabulary"}
        raise GgufError(
            f"it holds {what.get(kind, repr(kind))} and not a model", "name the GGUF file of the model itself"
        )
    if metadata.architecture in ARCHITECTURES:
        return ARCHITECTURES[metadata.architecture]
    raise GgufError(
        f"its architecture {metadata.architecture!r} is none of those that clew reads from GGUF "
        f"({', '.join(sorted(ARCHITECTURES))})"
    )


def check_not_split(metadata: Metadata, header: GgufHeader) -> None:
    """Raise `GgufError` for one of several parts of a model."""
    parts = metadata.whole("split.count", 0, least=0)
    metadata.whole("split.no", 0, least=0)
    counted = metadata.whole("split.tensors.count", len(header.tensors), least=0)
    if parts > 1 or counted != len(header.tensors):
        raise GgufError(
            f"it is one of {parts} parts of a model", "join them with `llama-gguf-split --merge` first"
        )
