"""A loaded Hugging Face decoder, whose parts have the same names for every architecture."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clew.errors import ClewError
from clew.file_stamps import FileStamps, changed_since
from clew.fingerprints import same_weights
from clew.model.anatomy import Anatomy, Fused, Neurons
from clew.model.cache import files_of
from clew.model.finite import all_finite, refuse_not_finite
from clew.model.rotation import dynamic_rotations, forget_longer_texts, longest_text
from clew.model.vocabulary import Vocabulary
from clew.model.weights_key import sampled_weights


@dataclass(frozen=True)
class Norm:
    """An RMSNorm or LayerNorm: `y = (x - mean?) * scale(x) * gain + bias`; without a module, `y = x`."""

    module: nn.Module | None
    gain_offset: float = 0.0

    @property
    def centred(self) -> bool:
        return isinstance(self.module, nn.LayerNorm)

    @property
    def gain(self) -> Float[Tensor, " d_model"] | Float[Tensor, ""]:
        if self.module is None:
            return torch.ones(())
        return cast(Tensor, self.module.weight).float() + self.gain_offset

    @property
    def bias(self) -> Float[Tensor, " d_model"] | None:
        bias = getattr(self.module, "bias", None)
        return None if bias is None else bias.float()

    @property
    def epsilon(self) -> float:
        """The number added to the variance; modules give it one of two names."""
        name = "eps" if hasattr(self.module, "eps") else "variance_epsilon"
        return float(getattr(self.module, name))

    def scale(self, residual: Float[Tensor, "... d_model"]) -> Float[Tensor, "..."]:
        """One over the root mean square (or standard deviation) at each position, which tracing freezes."""
        residual = residual.float()
        if self.module is None:
            return residual.new_ones(residual.shape[:-1])
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
class Projection:
    """A linear map `y = weight @ x + bias`, for modules that store inputs or outputs first."""

    module: nn.Module
    rows: Callable[[Tensor], Tensor] | None = None
    """Picks this projection's outputs from a module that computes more than these."""

    @property
    def weight(self) -> Float[Tensor, "out in"]:
        """The model's own weights, as a view if their layout allows one."""
        weight = cast(Tensor, self.module.weight)
        if not isinstance(self.module, nn.Linear):  # GPT-2's Conv1D, which stores inputs first
            weight = weight.T
        return weight if self.rows is None else self.rows(weight)

    @property
    def bias(self) -> Float[Tensor, " out"] | None:
        bias = cast(Tensor | None, self.module.bias)
        return bias if bias is None or self.rows is None else self.rows(bias)


@dataclass(frozen=True)
class NeuronParts:
    """The projections and the activation function of one MLP's neurons."""

    gate: Projection | None
    up: Projection
    down: Projection
    activation: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Layer:
    """The parts of one decoder layer; weights stay the model's own."""

    module: nn.Module
    attention_norm: Norm
    attention: nn.Module
    value: Projection
    output: Projection
    attention_post_norm: Norm | None
    mlp_norm: Norm
    mlp: nn.Module
    neurons: NeuronParts | None
    """None in a mixture of experts."""
    mlp_post_norm: Norm | None

    @property
    def mlp_reader(self) -> nn.Module:
        """The module whose input is the stream that the MLP reads."""
        return self.mlp_norm.module or self.mlp

    @property
    def mlp_writer(self) -> nn.Module:
        """The module whose output is added to the stream."""
        return (self.mlp_post_norm and self.mlp_post_norm.module) or self.mlp


@dataclass(frozen=True)
class LanguageModel:
    """A decoder, its tokenizer and its anatomy."""

    name: str
    network: Any
    """The Hugging Face model, unmodified."""
    tokenizer: Any
    anatomy: Anatomy
    weights_key: str = ""
    """Fingerprint of its files (`clew.fingerprints`); empty for a model made in memory."""
    folder: Path | None = field(default=None, compare=False)
    """The folder that it was loaded from; None for a model made in memory."""
    stamps: FileStamps = field(default=(), repr=False, compare=False)
    """The files as they were when they were read, with the GGUF that the folder was converted from."""
    exclusive: Any = field(default_factory=threading.RLock, repr=False, compare=False)
    """A lock to hold while the network runs, so that threads do not see each other's hooks."""
    kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Facts that were measured once for this model, by name."""

    def changed_on_disk(self) -> bool:
        """True if a file is gone, new, or another one now than when it was read; no stamp tells all of it."""
        if self.folder is None:
            return False
        read = {path for path, _ in self.stamps}
        if changed_since(self.stamps) or not read.issuperset(files_of(self.folder)):
            return True
        try:
            return not same_weights(sampled_weights(self.folder), self.weights_key)
        except ClewError:  # it changed just now
            return True

    @property
    def n_layers(self) -> int:
        return len(self.layers)

    @property
    def d_model(self) -> int:
        return self.unembedding_weight.shape[1]

    @property
    def n_heads(self) -> int:
        return self.text_config.num_attention_heads

    @property
    def context_length(self) -> int:
        return longest_text(self.text_config)

    @property
    def parallel_blocks(self) -> bool:
        """True if each layer's MLP runs beside its attention: both then read the layer's input."""
        flag = self.anatomy.parallel
        return flag is not None and bool(getattr(self.text_config, flag))

    @property
    def text_config(self) -> Any:
        """The decoder's configuration, which is a part of a multimodal model's."""
        return self.network.config.get_text_config()

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
    def vocabulary(self) -> Vocabulary:
        """The tokenizer's tokens by id."""
        return Vocabulary(self.tokenizer, self.unembedding_weight.shape[0])

    @cached_property
    def mean_unembedding(self) -> Float[Tensor, " d_model"]:
        """The vocabulary's mean unembedding vector, which centres logits."""
        return self.unembedding_weight.float().mean(dim=0)

    def token_text(self, token_id: int) -> str:
        """A token's text with its leading space, from the vocabulary."""
        return self.vocabulary.text(token_id)

    def read_logits(
        self, residual: Float[Tensor, "... d_model"], scale: Float[Tensor, "..."]
    ) -> Float[Tensor, "... vocabulary"]:
        """Logits (before a soft-cap) of the stream before the final norm, with this scale of the norm."""
        normalized = self.final_norm.apply(residual, scale).to(self.unembedding_weight.dtype)
        return nn.functional.linear(normalized, self.unembedding_weight, self.unembedding_bias).float()

    def soft_capped(self, logits: Float[Tensor, "... vocabulary"]) -> Float[Tensor, "... vocabulary"]:
        """Logits after the model's final soft-cap, which only some models have (Gemma 2)."""
        cap = None if self.anatomy.soft_cap is None else getattr(self.text_config, self.anatomy.soft_cap)
        return logits if cap is None else torch.tanh(logits / cap) * cap

    def run(self, token_ids: Int[Tensor, "batch position"], **options: Any) -> Any:
        """The network's output for some texts, whatever it read before; it keeps nothing of them.

        Hold `exclusive` while it runs. `options` are those of the Hugging Face model.
        """
        for rotary in self._dynamic_rotations:
            forget_longer_texts(rotary)
        return self.network(input_ids=token_ids.to(self.device), **{"use_cache": False, **options})

    @cached_property
    def _dynamic_rotations(self) -> list[nn.Module]:
        return dynamic_rotations(self.network)

    @torch.no_grad()
    def next_token_logits(
        self, token_ids: Int[Tensor, "batch position"]
    ) -> Float[Tensor, "batch vocabulary"]:
        """Logits of the token after the last one, from a plain forward pass.

        Raises `ClewError` where they are not finite.
        """
        with self.exclusive:
            logits = self.run(token_ids, logits_to_keep=1).logits[:, -1].float()
            if not all_finite(logits):
                refuse_not_finite(self, token_ids)
        return logits

    def _layer(self, module: nn.Module) -> Layer:
        a = self.anatomy

        def norm(path: str | None) -> Norm:
            return Norm(None if path is None else part_of(module, path), a.gain_offset)

        return Layer(
            module=module,
            attention_norm=norm(a.attention_norm),
            attention=part_of(module, a.attention),
            value=self._projection(module, a.value),
            output=self._projection(module, a.output),
            attention_post_norm=None if a.attention_post_norm is None else norm(a.attention_post_norm),
            mlp_norm=norm(a.mlp_norm),
            mlp=part_of(module, a.mlp),
            neurons=None if a.neurons is None else self._neurons(module, a.neurons),
            mlp_post_norm=None if a.mlp_post_norm is None else norm(a.mlp_post_norm),
        )

    def _neurons(self, layer: nn.Module, anatomy: Neurons) -> NeuronParts:
        return NeuronParts(
            gate=None if anatomy.gate is None else self._projection(layer, anatomy.gate),
            up=self._projection(layer, anatomy.up),
            down=self._projection(layer, anatomy.down),
            activation=part_of(layer, anatomy.activation),
        )

    def _projection(self, layer: nn.Module, path: str | Fused) -> Projection:
        if isinstance(path, str):
            return Projection(part_of(layer, path))
        head_width = Projection(part_of(layer, self.anatomy.output)).weight.shape[1]
        return Projection(part_of(layer, path.path), lambda fused: path.rows(fused, self.n_heads, head_width))


def part_of(module: nn.Module, path: str) -> Any:
    """The submodule (or parameter) at a dotted path."""
    for name in path.split("."):
        module = getattr(module, name)
    return module
