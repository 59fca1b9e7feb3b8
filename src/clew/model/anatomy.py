"""The table of architectures: a row names the modules of a Hugging Face class that clew needs.

Names are dotted paths. `layers`, `final_norm` and `unembedding` start at the top of a causal language
model, all others at one decoder layer. To add an architecture, add a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clew.errors import ClewError
from clew.options import option_name

if TYPE_CHECKING:
    from torch import Tensor

Rows = Callable[["Tensor", int, int], "Tensor"]
"""A function of a fused weight or bias (outputs first), the number of heads, and the width of all heads."""


def last_value_heads(fused: Tensor, n_heads: int, head_width: int) -> Tensor:
    """The values behind all queries and all keys; keys and values may have fewer heads than queries."""
    return fused[(len(fused) + head_width) // 2 :]


def per_head_last_third(fused: Tensor, n_heads: int, head_width: int) -> Tensor:
    """The values where each head has its query, key and value side by side."""
    return fused.unflatten(0, (n_heads, 3, -1))[:, 2].flatten(0, 1)


def first_half(fused: Tensor, n_heads: int, head_width: int) -> Tensor:
    """The gates, in front of the values that they gate."""
    return fused[: len(fused) // 2]


def second_half(fused: Tensor, n_heads: int, head_width: int) -> Tensor:
    """The gated values, behind their gates."""
    return fused[len(fused) // 2 :]


@dataclass(frozen=True)
class Fused:
    """A projection whose outputs are a part of a larger projection's."""

    path: str
    rows: Rows


@dataclass(frozen=True)
class Neurons:
    """The modules of an MLP that make up its neurons."""

    gate: str | Fused | None = "mlp.gate_proj"
    """None for a plain MLP, where the activation follows `up`."""
    up: str | Fused = "mlp.up_proj"
    down: str = "mlp.down_proj"
    activation: str = "mlp.act_fn"


@dataclass(frozen=True)
class Anatomy:
    """One architecture: a decoder of attention and MLP blocks.

    The defaults are Llama's; a row names only where it differs.
    """

    layers: str = "model.layers"
    final_norm: str = "model.norm"
    unembedding: str = "lm_head"
    attention_norm: str | None = "input_layernorm"
    """None where attention reads the raw stream."""
    attention: str = "self_attn"
    value: str | Fused = "self_attn.v_proj"
    output: str = "self_attn.o_proj"
    attention_post_norm: str | None = None
    """A norm between the attention's output and the stream."""
    mlp_norm: str | None = "post_attention_layernorm"
    """None where the MLP reads the raw stream."""
    mlp: str = "mlp"
    neurons: Neurons | None = Neurons()
    """None for a mixture of experts, whose neurons depend on a router."""
    mlp_post_norm: str | None = None
    """A norm between the MLP's output and the stream."""
    gain_offset: float = 0.0
    """The number to add to a norm's weight to get its gain: Gemma stores gain minus one."""
    soft_cap: str | None = None
    """The configuration's number that caps the logits, in classes that apply one."""
    parallel: str | None = None
    """The configuration's flag for MLPs that run beside the attention: both then read the layer's input."""


LLAMA = Anatomy()
MIXTURE = Anatomy(neurons=None)
GEMMA = Anatomy(
    attention_post_norm="post_attention_layernorm",
    mlp_norm="pre_feedforward_layernorm",
    mlp_post_norm="post_feedforward_layernorm",
    gain_offset=1.0,
    soft_cap="final_logit_softcapping",
)

ANATOMIES: dict[str, Anatomy] = {
    "LlamaForCausalLM": LLAMA,
    "MistralForCausalLM": LLAMA,
    "Qwen2ForCausalLM": LLAMA,
    "Qwen3ForCausalLM": LLAMA,
    "GemmaForCausalLM": Anatomy(gain_offset=1.0),
    "Gemma2ForCausalLM": GEMMA,
    "Gemma3ForCausalLM": GEMMA,
    "Gemma3ForConditionalGeneration": replace(
        GEMMA,
        layers="model.language_model.layers",
        final_norm="model.language_model.norm",
        soft_cap=None,
    ),
    "Starcoder2ForCausalLM": Anatomy(neurons=Neurons(None, "mlp.c_fc", "mlp.c_proj", "mlp.act")),
    "GPT2LMHeadModel": Anatomy(
        layers="transformer.h",
        final_norm="transformer.ln_f",
        attention_norm="ln_1",
        attention="attn",
        value=Fused("attn.c_attn", last_value_heads),
        output="attn.c_proj",
        mlp_norm="ln_2",
        neurons=Neurons(None, "mlp.c_fc", "mlp.c_proj", "mlp.act"),
    ),
    "GPTNeoXForCausalLM": Anatomy(
        layers="gpt_neox.layers",
        final_norm="gpt_neox.final_layer_norm",
        attention="attention",
        value=Fused("attention.query_key_value", per_head_last_third),
        output="attention.dense",
        neurons=Neurons(None, "mlp.dense_h_to_4h", "mlp.dense_4h_to_h", "mlp.act"),
        parallel="use_parallel_residual",
    ),
    "Olmo2ForCausalLM": Anatomy(
        attention_norm=None,
        attention_post_norm="post_attention_layernorm",
        mlp_norm=None,
        mlp_post_norm="post_feedforward_layernorm",
    ),
    "Phi3ForCausalLM": Anatomy(
        value=Fused("self_attn.qkv_proj", last_value_heads),
        neurons=Neurons(
            gate=Fused("mlp.gate_up_proj", first_half),
            up=Fused("mlp.gate_up_proj", second_half),
            activation="mlp.activation_fn",
        ),
    ),
    "MixtralForCausalLM": MIXTURE,
    "Qwen3MoeForCausalLM": MIXTURE,
    "GptOssForCausalLM": MIXTURE,
    "Llama4ForCausalLM": replace(MIXTURE, mlp="feed_forward"),
}
"""Rows by the name of the Hugging Face class."""


def require_neurons(anatomy: Anatomy, name: str) -> None:
    """Raise `ClewError` for a mixture of experts; `name` is the model's."""
    if anatomy.neurons is None:
        raise ClewError(
            f"{name} is a mixture of experts: a router chooses its neurons, so clew cannot trace through "
            f"them; name transcoders that were trained for it with {option_name('dictionary', 'REF')}."
        )


def supported_architectures() -> str:
    """The end of a message: the table's architectures, and how to add one."""
    names = ", ".join(sorted(name.removesuffix("ForCausalLM") for name in ANATOMIES))
    return f'clew supports {names}. To add one, see "Add an architecture" in CONTRIBUTING.md.'
