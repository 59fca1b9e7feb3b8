"""A loaded Hugging Face decoder, with its parts under names that are the same for every architecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clew.errors import ClewError
from clew.model.anatomy import Anatomy, anatomy_of
from clew.model.quiet import quiet_transformers

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Norm:
    """An RMSNorm or LayerNorm: `y = (x - mean?) * scale(x) * gain + bias`."""

    module: nn.Module
    gain_offset: float = 0.0

    @property
    def centred(self) -> bool:
        return isinstance(self.module, nn.LayerNorm)

    @property
    def gain(self) -> Float[Tensor, " d_model"]:
        return cast(Tensor, self.module.weight).float() + self.gain_offset

    @property
    def bias(self) -> Float[Tensor, " d_model"] | None:
        bias = getattr(self.module, "bias", None)
        return None if bias is None else bias.float()

    @property
    def epsilon(self) -> float:
        """Added to the variance; modules spell it in two ways."""
        name = "eps" if hasattr(self.module, "eps") else "variance_epsilon"
        return float(getattr(self.module, name))

    def scale(self, residual: Float[Tensor, "... d_model"]) -> Float[Tensor, "..."]:
        """One over the root mean square (or standard deviation) at each position: what gets frozen."""
        residual = residual.float()
        if self.centred:
            residual = residual - residual.mean(dim=-1, keepdim=True)
        return torch.rsqrt(residual.square().mean(dim=-1) + self.epsilon)

    def apply(
        self, residual: Float[Tensor, "... d_model"], scale: Float[Tensor, "..."]
    ) -> Float[Tensor, "... d_model"]:
        """The norm with a frozen scale."""
        if self.centred:
            residual = residual - residual.mean(dim=-1, keepdim=True)
        normalized = residual * scale.unsqueeze(-1) * self.gain
        return normalized if self.bias is None else normalized + self.bias


@dataclass(frozen=True)
class Layer:
    """The parts of one decoder layer; weights stay the model's own."""

    attention_norm: Norm
    attention: nn.Module
    value: nn.Linear
    output: nn.Linear
    attention_post_norm: Norm | None
    mlp_norm: Norm
    mlp: nn.Module
    gate: nn.Linear | None
    up: nn.Linear
    down: nn.Linear
    activation: Callable[[Tensor], Tensor]
    mlp_post_norm: Norm | None


@dataclass(frozen=True)
class LanguageModel:
    """A decoder, its tokenizer and its anatomy."""

    name: str
    network: Any
    """The Hugging Face model, unmodified."""
    tokenizer: Any
    anatomy: Anatomy

    @property
    def n_layers(self) -> int:
        return len(self.layers)

    @property
    def d_model(self) -> int:
        return self.unembedding_weight.shape[1]

    @property
    def n_heads(self) -> int:
        return self.network.config.num_attention_heads

    @property
    def context_length(self) -> int:
        return self.network.config.max_position_embeddings

    @property
    def device(self) -> torch.device:
        return self.network.device

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(self._layer(module) for module in part_of(self.network, self.anatomy.layers))

    @cached_property
    def final_norm(self) -> Norm:
        return Norm(part_of(self.network, self.anatomy.final_norm), self.anatomy.gain_offset)

    @property
    def unembedding_weight(self) -> Float[Tensor, "vocabulary d_model"]:
        return part_of(self.network, self.anatomy.unembedding).weight

    @property
    def unembedding_bias(self) -> Float[Tensor, " vocabulary"] | None:
        return part_of(self.network, self.anatomy.unembedding).bias

    @cached_property
    def mean_unembedding(self) -> Float[Tensor, " d_model"]:
        """The vocabulary's mean unembedding vector, which centres logits."""
        return self.unembedding_weight.float().mean(dim=0)

    def token_text(self, token_id: int) -> str:
        """A token's spelling, leading space and all."""
        return self.tokenizer.decode([token_id], clean_up_tokenization_spaces=False)

    @torch.no_grad()
    def next_token_logits(
        self, token_ids: Int[Tensor, "batch position"]
    ) -> Float[Tensor, "batch vocabulary"]:
        """Logits of the token after the last one, from a plain forward pass."""
        output = self.network(input_ids=token_ids.to(self.device), use_cache=False, logits_to_keep=1)
        return output.logits[:, -1].float()

    def _layer(self, module: nn.Module) -> Layer:
        a = self.anatomy

        def norm(path: str | None) -> Norm | None:
            return None if path is None else Norm(part_of(module, path), a.gain_offset)

        return Layer(
            attention_norm=cast(Norm, norm(a.attention_norm)),
            attention=part_of(module, a.attention),
            value=part_of(module, a.value),
            output=part_of(module, a.output),
            attention_post_norm=norm(a.attention_post_norm),
            mlp_norm=cast(Norm, norm(a.mlp_norm)),
            mlp=part_of(module, a.mlp),
            gate=None if a.gate is None else part_of(module, a.gate),
            up=part_of(module, a.up),
            down=part_of(module, a.down),
            activation=part_of(module, a.activation),
            mlp_post_norm=norm(a.mlp_post_norm),
        )


def part_of(module: nn.Module, path: str) -> Any:
    for name in path.split("."):
        module = getattr(module, name)
    return module


def load_language_model(
    folder: Path, *, name: str, device: str = "cpu", dtype: str = "float32"
) -> LanguageModel:
    """Load a Hugging Face folder (`config.json`, safetensors, tokenizer) ready for tracing.

    Raises `ClewError` for an unknown architecture or dtype, and for weights that do not load.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    if dtype not in DTYPES:
        raise ClewError(f"Unknown dtype {dtype!r}; choose one of {', '.join(DTYPES)}.")
    with quiet_transformers():
        try:
            config = AutoConfig.from_pretrained(folder)
            anatomy = anatomy_of((config.architectures or [type(config).__name__])[0])
            network = AutoModelForCausalLM.from_pretrained(
                folder, dtype=DTYPES[dtype], attn_implementation="eager"
            )
            tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, RuntimeError) as error:
            raise ClewError(f"The model in {folder} does not load: {str(error).splitlines()[0]}") from error
    network.requires_grad_(False)
    return LanguageModel(
        name=name, network=cast(nn.Module, network).eval().to(device), tokenizer=tokenizer, anatomy=anatomy
    )


def choose_device(device: str) -> str:
    """The device meant ("auto": CUDA where there is one); `ClewError` if tensors cannot be put there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.ones(1, device=device).item()
        return device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        available = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
        if torch.backends.mps.is_available():
            available.append("mps")
        raise ClewError(f"No such device: {device!r}; this machine has {', '.join(available)}.") from error
