"""Direct effects by automatic differentiation of the real network: slow, and right.

Nothing here shares code with the sweep. The Hugging Face model runs once more with its attention
patterns and norm denominators replaced by constants and every MLP's neurons (or, for a dictionary that
is not of neurons, every MLP's output) by leaves, and autograd reads off the effect of each leaf.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import TranscoderSet
from clew.dictionary.weights import Weights
from clew.model.anatomy import Fused
from clew.model.language_model import LanguageModel, Layer, part_of


@dataclass(frozen=True)
class FrozenRun:
    """Leaves (the parts of the stream) and readers (of the stream), joined by autograd."""

    embedding: Tensor
    leaves: list[Tensor]
    """Per layer the input of the down projection, `[position, feature]`, or the values at the transcoders'
    write point without their skip connection, `[position, d_model]`."""
    read: list[Tensor]
    """Per layer the linearised activation of each neuron, `[position, feature]`, or the values at the
    transcoders' read point, `[position, d_model]`."""
    logits: Tensor
    mean_logit: Tensor
    """The mean over the vocabulary, from the weights in float64: autograd's sum of hundreds of thousands of
    float32 columns is off by 1e-4."""


def frozen_run(
    model: LanguageModel, token_ids: Tensor, transcoders: TranscoderSet | None = None
) -> FrozenRun:
    """Run the model once to record patterns and scales, then again with all of them frozen.

    The MLPs are cut at their neurons, or where `transcoders` write; only their skip connections stay.
    """
    patterns = attention_patterns(model, token_ids)
    unembedding = part_of(model.network, model.anatomy.unembedding)
    seen: dict[str, list[Tensor]] = {"leaves": [], "read": [], "embedding": []}
    with contextlib.ExitStack() as stack:
        for hook in _hooks(model, seen, transcoders):
            stack.callback(hook.remove)
        stack.enter_context(attention_replaced_by(model, patterns))
        stack.callback(unembedding.register_forward_pre_hook(_see(seen)).remove)
        logits = model.network(input_ids=token_ids[None], use_cache=False).logits[0, -1]
    columns = unembedding.weight.split(8192)
    mean = sum((part.double().sum(0) for part in columns), torch.zeros((), dtype=torch.float64))
    mean_logit = seen["final"][0] @ (mean / len(unembedding.weight)).float()
    return FrozenRun(seen["embedding"][0], seen["leaves"], seen["read"], logits, mean_logit)


def gradients(run: FrozenRun, target: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Gradient of a scalar on the embedding and on each layer's leaf."""
    leaves = [run.embedding, *run.leaves]
    found = torch.autograd.grad(target, leaves, retain_graph=True, allow_unused=True)
    present = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=True)]
    return present[0], present[1:]


def effects(run: FrozenRun, target: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Direct effect on a scalar of each token `[position]` and each neuron `[position, feature]`."""
    on_embedding, on_leaves = gradients(run, target)
    tokens = (run.embedding.detach() * on_embedding).sum(-1)
    return tokens, [leaf.detach() * g for leaf, g in zip(run.leaves, on_leaves, strict=True)]


def attention_patterns(model: LanguageModel, token_ids: Tensor) -> list[Tensor]:
    with torch.no_grad():
        output = model.network(input_ids=token_ids[None], use_cache=False, output_attentions=True)
    return [pattern[0] for pattern in output.attentions]


@contextlib.contextmanager
def attention_replaced_by(model: LanguageModel, patterns: list[Tensor]):
    def frozen(module, query, key, value, attention_mask, **kwargs):
        shared = query.shape[1] // value.shape[1]
        mixed = patterns[module.layer_idx] @ value.repeat_interleave(shared, dim=1)
        return mixed.transpose(1, 2).contiguous(), None

    AttentionInterface.register("oracle", frozen)
    AttentionMaskInterface.register("oracle", eager_mask)
    config = model.network.config.get_text_config()
    before = config._attn_implementation
    config._attn_implementation = "oracle"
    try:
        yield
    finally:
        config._attn_implementation = before


def _hooks(model: LanguageModel, seen: dict[str, list[Tensor]], transcoders: TranscoderSet | None):
    def leaf(name: str, value: Tensor) -> Tensor:
        value = value.detach().requires_grad_()
        seen[name].append(value)
        return value

    def enter_stream(module, args):
        return (leaf("embedding", args[0]), *args[1:])

    yield part_of(model.network, model.anatomy.layers)[0].register_forward_pre_hook(enter_stream)
    norms = [model.final_norm]
    for layer in model.layers:
        norms += [layer.attention_norm, layer.mlp_norm, layer.attention_post_norm, layer.mlp_post_norm]
    for norm in norms:
        if norm is not None and norm.module is not None:
            yield norm.module.register_forward_hook(_freeze_norm)
    for number, layer in enumerate(model.layers):
        if transcoders is None:
            yield from _cut_neurons(model, layer, seen, leaf)
        else:
            yield from _cut_output(layer, transcoders, transcoders.layers[number].skip, seen, leaf)


def _see(seen: dict[str, list[Tensor]]):
    def hook(module, inputs):
        seen["final"] = [inputs[0][0, -1]]

    return hook


def _cut_neurons(model: LanguageModel, layer: Layer, seen: dict[str, list[Tensor]], leaf):
    """Replace the neurons by a leaf, and record their linearised activation."""
    parts, places = layer.neurons, model.anatomy.neurons
    assert parts is not None
    assert places is not None
    values: dict[str, Tensor] = {}

    def keep(name):
        def hook(module, inputs, output):
            values[name] = output[0]

        return hook

    def keep_both(module, inputs, output):
        values["gate"], values["up"] = output[0].chunk(2, dim=-1)

    if isinstance(places.gate, Fused):
        yield parts.up.module.register_forward_hook(keep_both)
    else:
        yield parts.up.module.register_forward_hook(keep("up"))
        if parts.gate is not None:
            yield parts.gate.module.register_forward_hook(keep("gate"))

    def cut(module, inputs):
        z = values["up"] if parts.gate is None else values["gate"]
        slope = (parts.activation(z) / z).detach()
        read = slope * z
        if parts.gate is not None:
            u = values["up"]
            read = slope * (u.detach() * z + z.detach() * u) / 2
        seen["read"].append(read)
        return (leaf("leaves", inputs[0][0])[None],)

    yield parts.down.module.register_forward_pre_hook(cut)


def _cut_output(
    layer: Layer, transcoders: TranscoderSet, skip: Weights | None, seen: dict[str, list[Tensor]], leaf
):
    """Replace the values at the write point by a leaf, except for the skip connection."""
    of_stream = transcoders.read_point is ReadPoint.RESIDUAL
    values: dict[str, Tensor] = {}

    def see(module, inputs):
        x = inputs[0][0]
        if transcoders.read_point is ReadPoint.NORMALIZED and layer.mlp_norm.module is not None:
            bias = layer.mlp_norm.bias
            x = (x if bias is None else x - bias) / layer.mlp_norm.gain
        values["x"] = x
        seen["read"].append(x)

    def cut(module, inputs, output):
        if isinstance(output, tuple):
            return (cut(module, inputs, output[0]), *output[1:])
        around = 0 if skip is None else values["x"] @ skip.read().T
        whole = leaf("leaves", output.reshape(values["x"].shape) - around) + around
        return whole.reshape(output.shape)

    yield (layer.mlp_reader if of_stream else layer.mlp).register_forward_pre_hook(see)
    after_norm = transcoders.write_point is WritePoint.STREAM
    yield (layer.mlp_writer if after_norm else layer.mlp).register_forward_hook(cut)


def _freeze_norm(module: nn.Module, inputs, output: Tensor) -> Tensor:
    x = inputs[0]
    if isinstance(module, nn.LayerNorm):
        centred = x - x.mean(-1, keepdim=True)
        deviation = (x.var(-1, unbiased=False, keepdim=True) + module.eps).sqrt().detach()
        return centred / deviation * module.weight + module.bias
    gain = module.forward(torch.full_like(x, 1e4))
    scale = output.norm(dim=-1, keepdim=True) / (x * gain).norm(dim=-1, keepdim=True)
    return x * (gain * scale).detach()
