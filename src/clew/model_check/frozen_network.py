"""The real network with all but the stream held fixed, as a function that autograd can differentiate.

Attention patterns and the scales of norms become constants, and each MLP's neurons (or, for transcoders, its
write) become leaves. Nothing here is shared with the sweeps that compute a graph's edges.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from clew.dictionary.neurons import parts_of
from clew.dictionary.protocols import Encoding
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.model.language_model import LanguageModel, Layer, Projection, part_of
from clew.model.recording import Recording

FROZEN = "clew-frozen"
"""The name of the attention whose patterns are given, as transformers knows it."""


@dataclass
class FrozenRun:
    """One pass: leaves (the parts of the stream) and reads (of the stream), joined by autograd."""

    embedding: list[Float[Tensor, "position d_model"]] = field(default_factory=list)
    leaves: list[Float[Tensor, "position width"]] = field(default_factory=list)
    """By layer the activations of the neurons, or the values at the write point without a skip connection."""
    reads: list[Float[Tensor, "position width"]] = field(default_factory=list)
    """By layer the linearised activations of the neurons, or the values at the read point."""
    normalized: list[Float[Tensor, " d_model"]] = field(default_factory=list)
    """The input of the unembedding at the last position."""

    @property
    def sources(self) -> list[Tensor]:
        """Everything that the stream is the sum of: the embedding, then each layer's leaf."""
        return [*self.embedding, *self.leaves]


def run_frozen(model: LanguageModel, encoding: Encoding, recording: Recording, *, neurons: bool) -> FrozenRun:
    """One pass with the patterns of a recording, cut at the neurons or at the encoding's write point."""
    run = FrozenRun()
    with contextlib.ExitStack() as stack:
        stack.enter_context(model.exclusive)
        for hook in _hooks(model, encoding, run, neurons):
            stack.callback(hook.remove)
        stack.enter_context(_given_patterns(model, recording))
        stack.enter_context(torch.enable_grad())
        model.run(recording.token_ids[None])
    return run


@contextlib.contextmanager
def _given_patterns(model: LanguageModel, recording: Recording) -> Iterator[None]:
    """Attention that multiplies values with the recorded patterns, for the length of a block."""

    def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, **_: Any) -> tuple:
        shared = query.shape[1] // value.shape[1]
        pattern = recording.pattern[module.layer_idx].to(value.dtype)
        return (pattern @ value.repeat_interleave(shared, dim=1)).transpose(1, 2).contiguous(), None

    AttentionInterface.register(FROZEN, attend)
    AttentionMaskInterface.register(FROZEN, eager_mask)
    config = model.text_config
    before = config._attn_implementation
    config._attn_implementation = FROZEN
    try:
        yield
    finally:
        config._attn_implementation = before


def _hooks(
    model: LanguageModel, encoding: Encoding, run: FrozenRun, neurons: bool
) -> Iterator[RemovableHandle]:
    def enter(module: nn.Module, inputs: tuple) -> tuple:
        return (_leaf(run.embedding, inputs[0][0])[None], *inputs[1:])

    def leave(module: nn.Module, inputs: tuple) -> None:
        run.normalized.append(inputs[0][0, -1])

    yield model.layers[0].module.register_forward_pre_hook(enter)
    yield part_of(model.network, model.anatomy.unembedding).register_forward_pre_hook(leave)
    norms = [model.final_norm]
    for layer in model.layers:
        norms += [layer.attention_norm, layer.mlp_norm, layer.attention_post_norm, layer.mlp_post_norm]
    for norm in norms:
        if norm is not None and norm.module is not None:
            yield norm.module.register_forward_hook(_freeze_norm)
    for number, layer in enumerate(model.layers):
        yield from _cut_neurons(layer, run) if neurons else _cut_write(layer, encoding, number, run)


def _leaf(leaves: list[Tensor], value: Tensor) -> Tensor:
    leaves.append(value.detach().requires_grad_())
    return leaves[-1]


def _freeze_norm(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    """The same output, linear in the input: the gain comes from the module's own function."""
    x = inputs[0]
    if isinstance(module, nn.LayerNorm):
        centred = x - x.mean(-1, keepdim=True)
        deviation = (x.var(-1, unbiased=False, keepdim=True) + module.eps).sqrt().detach()
        return centred / deviation * module.weight + module.bias
    with torch.no_grad():
        gain = module.forward(torch.full_like(x, 1e4))  # a norm of equal numbers gives its gain
        # A stream of zeros (the embedding of a padding token) stays one, whatever its scale.
        scale = (output.norm(dim=-1, keepdim=True) / (x * gain).norm(dim=-1, keepdim=True)).nan_to_num(0)
    return x * (gain * scale)


def _cut_neurons(layer: Layer, run: FrozenRun) -> Iterator[RemovableHandle]:
    """Replace the neurons by a leaf, and keep `act(z) u` with `act(z) / z` and half of `z u` held."""
    parts, values = parts_of(layer), {}

    def keep(name: str, projection: Projection) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            rows = projection.rows
            values[name] = output[0] if rows is None else rows(output[0].T).T

        return hook

    def cut(module: nn.Module, inputs: tuple) -> tuple:
        u = values["up"]
        z = values.get("gate", u)
        slope = (parts.activation(z) / z).detach().nan_to_num(0)  # 0 / 0 for a stream of zeros
        run.reads.append(slope * (u if z is u else (u.detach() * z + z.detach() * u) / 2))
        return (_leaf(run.leaves, inputs[0][0])[None],)

    yield parts.up.module.register_forward_hook(keep("up", parts.up))
    if parts.gate is not None:
        yield parts.gate.module.register_forward_hook(keep("gate", parts.gate))
    yield parts.down.module.register_forward_pre_hook(cut)


def _cut_write(layer: Layer, encoding: Encoding, number: int, run: FrozenRun) -> Iterator[RemovableHandle]:
    """Replace the values at the write point by a leaf, but for a skip connection."""
    skip, read, norm = encoding.skip(number), encoding.read_point, layer.mlp_norm

    def see(module: nn.Module, inputs: tuple) -> None:
        x = inputs[0][0].float()
        if read is ReadPoint.NORMALIZED and norm.module is not None:
            x = (x if norm.bias is None else x - norm.bias) / norm.gain
        run.reads.append(x)

    def cut(module: nn.Module, inputs: tuple, output: Any) -> Any:
        if isinstance(output, tuple):
            return (cut(module, inputs, output[0]), *output[1:])
        x = run.reads[-1]
        whole = output.reshape(x.shape).float()
        around = torch.zeros_like(whole) if skip is None else x @ skip.T
        whole = _leaf(run.leaves, whole - around) + around
        return whole.to(output.dtype).reshape(output.shape)

    reader = layer.mlp_reader if read is ReadPoint.RESIDUAL else layer.mlp
    writer = layer.mlp_writer if encoding.write_point is WritePoint.STREAM else layer.mlp
    yield reader.register_forward_pre_hook(see)
    yield writer.register_forward_hook(cut)
