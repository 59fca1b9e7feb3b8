"""The slow truth: direct effects by automatic differentiation of the real network, frozen in place.

Nothing here shares code with the sweep. The Hugging Face model runs once more with its attention
patterns and norm denominators replaced by constants and every MLP's neurons by leaves, and autograd
reads off the effect of each leaf.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from clew.model.language_model import LanguageModel


@dataclass(frozen=True)
class FrozenRun:
    """Leaves (what the stream is made of) and readers (what it is read by), joined by autograd."""

    embedding: Tensor
    neurons: list[Tensor]
    """Per layer `[position, feature]`: the input of the down projection."""
    read: list[Tensor]
    """Per layer `[position, feature]`: the linearised activation of each neuron."""
    logits: Tensor
    mean_logit: Tensor
    """The mean over the vocabulary, taken on the weights in float64: autograd's own sum of hundreds of
    thousands of float32 columns is off by 1e-4."""


def frozen_run(model: LanguageModel, token_ids: Tensor) -> FrozenRun:
    """Run once to see patterns and scales, then again with all of them held fixed."""
    patterns = _patterns(model, token_ids)
    seen: dict[str, list[Tensor]] = {"neurons": [], "read": [], "embedding": []}
    with contextlib.ExitStack() as stack:
        for hook in _hooks(model, seen):
            stack.callback(hook.remove)
        stack.enter_context(_attention_replaced_by(model, patterns))
        stack.callback(model.network.lm_head.register_forward_pre_hook(_see(seen)).remove)
        logits = model.network(input_ids=token_ids[None], use_cache=False).logits[0, -1]
    columns = model.network.lm_head.weight.split(8192)
    mean = sum((part.double().sum(0) for part in columns), torch.zeros((), dtype=torch.float64))
    mean_logit = seen["final"][0] @ (mean / len(model.network.lm_head.weight)).float()
    return FrozenRun(seen["embedding"][0], seen["neurons"], seen["read"], logits, mean_logit)


def effects(run: FrozenRun, target: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Direct effect on a scalar of each token `[position]` and each neuron `[position, feature]`."""
    leaves = [run.embedding, *run.neurons]
    found = torch.autograd.grad(target, leaves, retain_graph=True, allow_unused=True)
    gradients = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=True)]
    products = [leaf.detach() * gradient for leaf, gradient in zip(leaves, gradients, strict=True)]
    return products[0].sum(-1), products[1:]


def _patterns(model: LanguageModel, token_ids: Tensor) -> list[Tensor]:
    with torch.no_grad():
        output = model.network(input_ids=token_ids[None], use_cache=False, output_attentions=True)
    return [pattern[0] for pattern in output.attentions]


@contextlib.contextmanager
def _attention_replaced_by(model: LanguageModel, patterns: list[Tensor]):
    def frozen(module, query, key, value, attention_mask, **kwargs):
        shared = query.shape[1] // value.shape[1]
        mixed = patterns[module.layer_idx] @ value.repeat_interleave(shared, dim=1)
        return mixed.transpose(1, 2).contiguous(), None

    AttentionInterface.register("oracle", frozen)
    AttentionMaskInterface.register("oracle", eager_mask)
    before = model.network.config._attn_implementation
    model.network.config._attn_implementation = "oracle"
    try:
        yield
    finally:
        model.network.config._attn_implementation = before


def _hooks(model: LanguageModel, seen: dict[str, list[Tensor]]):
    def leaf(name: str, value: Tensor) -> Tensor:
        value = value.detach().requires_grad_()
        seen[name].append(value)
        return value

    def enter_stream(module, args, kwargs):
        if args:
            return (leaf("embedding", args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": leaf("embedding", kwargs["hidden_states"])}

    first = model.network.model.layers[0]
    yield first.register_forward_pre_hook(enter_stream, with_kwargs=True)
    norms = [model.final_norm]
    for layer in model.layers:
        norms += [layer.attention_norm, layer.mlp_norm, layer.attention_post_norm, layer.mlp_post_norm]
        values: dict[str, Tensor] = {}
        for name in ("gate", "up"):
            if getattr(layer, name) is not None:
                yield getattr(layer, name).register_forward_hook(_keep(values, name))
        yield layer.down.register_forward_pre_hook(_cut(layer, values, seen, leaf))
    for norm in norms:
        if norm is not None:
            yield norm.module.register_forward_hook(_freeze_norm)


def _see(seen: dict[str, list[Tensor]]):
    def hook(module, inputs):
        seen["final"] = [inputs[0][0, -1]]

    return hook


def _keep(values: dict[str, Tensor], name: str):
    def hook(module, inputs, output):
        values[name] = output[0]

    return hook


def _cut(layer, values, seen, leaf):
    """Replace the neurons by a leaf, and remember their linearised activation."""

    def hook(module, inputs):
        z = values["gate"] if layer.gate is not None else values["up"]
        slope = (layer.activation(z) / z).detach()
        read = slope * z
        if layer.gate is not None:
            u = values["up"]
            read = slope * (u.detach() * z + z.detach() * u) / 2
        seen["read"].append(read)
        return (leaf("neurons", inputs[0][0])[None],)

    return hook


def _freeze_norm(module: nn.Module, inputs, output: Tensor) -> Tensor:
    x = inputs[0]
    if isinstance(module, nn.LayerNorm):
        centred = x - x.mean(-1, keepdim=True)
        deviation = (x.var(-1, unbiased=False, keepdim=True) + module.eps).sqrt().detach()
        return centred / deviation * module.weight + module.bias
    gain = module.forward(torch.full_like(x, 1e4))
    scale = output.norm(dim=-1, keepdim=True) / (x * gain).norm(dim=-1, keepdim=True)
    return x * (gain * scale).detach()
