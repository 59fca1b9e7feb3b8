"""Where each architecture keeps the parts that the linear map needs: one table, one row each.

Names are dotted paths: `layers`, `final_norm` and `unembedding` from the top of a Hugging Face
causal language model, all others from one decoder layer. To add an architecture, add a row.
"""

from __future__ import annotations

from dataclasses import dataclass

from clew.errors import ClewError


@dataclass(frozen=True)
class Anatomy:
    """One architecture: a decoder of attention then MLP blocks, each read through a norm.

    The defaults are Llama's; a row names only where it differs.
    """

    layers: str = "model.layers"
    final_norm: str = "model.norm"
    unembedding: str = "lm_head"
    attention_norm: str = "input_layernorm"
    attention: str = "self_attn"
    value: str = "self_attn.v_proj"
    output: str = "self_attn.o_proj"
    attention_post_norm: str | None = None
    """A norm between the attention's output and the stream."""
    mlp_norm: str = "post_attention_layernorm"
    mlp: str = "mlp"
    gate: str | None = "mlp.gate_proj"
    """None for a plain MLP, whose `up` is then followed by the activation."""
    up: str = "mlp.up_proj"
    down: str = "mlp.down_proj"
    activation: str = "mlp.act_fn"
    mlp_post_norm: str | None = None
    """A norm between the MLP's output and the stream."""
    gain_offset: float = 0.0
    """What is added to a norm's weight to give its gain: Gemma stores gain minus one."""


LLAMA = Anatomy()
GEMMA = Anatomy(
    attention_post_norm="post_attention_layernorm",
    mlp_norm="pre_feedforward_layernorm",
    mlp_post_norm="post_feedforward_layernorm",
    gain_offset=1.0,
)

STARCODER = Anatomy(gate=None, up="mlp.c_fc", down="mlp.c_proj", activation="mlp.act")

ANATOMIES: dict[str, Anatomy] = {
    "LlamaForCausalLM": LLAMA,
    "MistralForCausalLM": LLAMA,
    "Qwen2ForCausalLM": LLAMA,
    "Qwen3ForCausalLM": LLAMA,
    "Gemma2ForCausalLM": GEMMA,
    "Gemma3ForCausalLM": GEMMA,
    "Starcoder2ForCausalLM": STARCODER,
}
"""Rows by the name of the Hugging Face class."""


def anatomy_of(architecture: str) -> Anatomy:
    """The table row of a Hugging Face class name; `ClewError` with the known ones where there is none."""
    if architecture not in ANATOMIES:
        known = ", ".join(sorted(name.removesuffix("ForCausalLM") for name in ANATOMIES))
        raise ClewError(
            f"clew does not know the architecture {architecture}; it knows {known}. "
            'CONTRIBUTING.md says how to add one ("Add an architecture").'
        )
    return ANATOMIES[architecture]
