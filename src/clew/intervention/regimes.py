"""Forward passes with some features changed, in the three regimes of `settings.REGIMES`.

With `x` for the prompt, `c` for a feature's change and `d` for its decoder direction, which is added to the
output of the MLP, the model computes

- direct: `y = y_0 + J (c d)`, where `J` is the linear map behind the edges;
- frozen-attention: `y = f_P(x, c d)`, where attention patterns `P` are held fixed;
- free: `y = f(x, c d)`, the real model (`hooks.run_free`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from clew.attribution.linear_map import LinearMap
from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import WritePoint, values_at
from clew.intervention.intervention import Intervention
from clew.intervention.layer_interventions import LayerIntervention, changed_features
from clew.intervention.residual_writes import LargestChange, ResidualWrites
from clew.model.finite import precision
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording


@dataclass(frozen=True)
class ForwardPass:
    """Outputs of a pass; the first column has no changes."""

    logits: Float[Tensor, "column position vocabulary"]
    """Before a final soft-cap."""
    pre_activation: tuple[Float[Tensor, "column position feature"], ...]
    """By layer, of all features, before any change of their own."""
    activation: tuple[Float[Tensor, "column position feature"], ...]
    """With the changes; in the direct regime other active features follow their pre-activations."""


@dataclass(frozen=True)
class PreparedRun:
    """A prompt's recording with checked interventions, ready to run in any regime."""

    model: LanguageModel
    dictionary: Dictionary
    recording: Recording
    by_layer: Mapping[int, LayerIntervention]
    strength: Float[Tensor, " column"]
    layers: range
    """The layers at which changes may be written."""
    constrained: bool = False
    """True to hold the MLPs of `layers` at their recorded outputs, so that effects spread from above them."""
    interventions: tuple[Intervention, ...] = ()
    """The user's interventions, from which `by_layer` was made."""

    def residual_writes(self) -> ResidualWrites:
        return ResidualWrites(
            self.dictionary, self.by_layer, self.strength, self.layers, precision(self.model)
        )


@dataclass(frozen=True)
class DirectEffects:
    """Effects of changes along edges alone; by layer where it is a tuple."""

    pre_activation: tuple[Float[Tensor, "position feature"], ...]
    """Before the changes."""
    read: tuple[Float[Tensor, "column position feature"], ...]
    """Changes of pre-activations."""
    activation: tuple[Float[Tensor, "column position feature"], ...]
    """With the changes; other active features follow their pre-activations."""
    stream: Float[Tensor, "column position d_model"]
    """Change of the stream before the final norm."""
    largest: LargestChange


@torch.no_grad()
def run_direct(run: PreparedRun) -> ForwardPass:
    """Outputs where changes spread along edges alone."""
    model, recording, effects = run.model, run.recording, propagate_along_edges(run)
    plain = model.read_logits(recording.residual_final, recording.final_scale)
    # Changes are read by themselves: next to the whole stream, half precision would round small ones away.
    logits = plain + LinearMap(model, recording).to_logits(effects.stream)
    effects.largest.check_logits(logits)
    pairs = zip(effects.pre_activation, effects.read, strict=True)
    return ForwardPass(logits, tuple(before + change for before, change in pairs), effects.activation)


@torch.no_grad()
def propagate_along_edges(run: PreparedRun) -> DirectEffects:
    """The changes by themselves, without the rounding of the values that they would be added to."""
    model, recording, dictionary = run.model, run.recording, run.dictionary
    linear, encoding = LinearMap(model, recording), dictionary.encode(recording)
    writes, n_columns = run.residual_writes(), len(run.strength)
    stream = recording.embedding.new_zeros(recording.n_positions, model.d_model, n_columns)
    pre_activations, reads, activations = [], [], []
    for layer in range(model.n_layers):
        x = values_at(
            dictionary.read_point,
            model.layers[layer].mlp_norm,
            recording.residual_mid[layer],
            recording.mlp_scale[layer],
        )
        pre_activation, activation = dictionary.respond(layer, x)
        changed = writes.change(layer, activation.expand(n_columns, -1, -1))
        attention = linear.attention(layer)
        before = stream.clone()
        attention.add_forward(stream, stream.new_empty(attention.scratch_floats(*stream.shape[::2])))
        read = before if model.parallel_blocks else stream
        change = encoding.push_forward(layer, linear.to_read_point(dictionary.read_point, layer, read))
        change = change.permute(2, 0, 1)
        pre_activations.append(pre_activation)
        reads.append(change)
        follows = activation != 0
        if (intervention := run.by_layer.get(layer)) is not None:
            follows &= ~changed_features(intervention, *activation.shape).to(follows.device)
        activations.append(changed + change * follows)
        skip = linear.skip_connection(
            dictionary.read_point, dictionary.write_point, layer, encoding.skip(layer)
        )
        if skip is not None:
            stream = stream + skip.forward(read, torch.empty_like(read).flatten())
        if (added := writes.take(layer, normed=False)) is not None:
            stream = stream + linear.at_stream(dictionary.write_point, layer, added).permute(1, 2, 0)
    by_layer = (tuple(values) for values in (pre_activations, reads, activations))
    return DirectEffects(*by_layer, stream=stream.permute(2, 0, 1), largest=writes.largest)


@torch.no_grad()
def run_with_frozen_attention(run: PreparedRun) -> ForwardPass:
    """Outputs where norms and MLPs respond and attention patterns do not."""
    model, dictionary, n_columns = run.model, run.dictionary, len(run.strength)
    writes = run.residual_writes()
    stream = run.recording.embedding.expand(n_columns, -1, -1)
    pre_activations, activations = [], []
    for layer, parts in enumerate(model.layers):
        attended = _attended(run, layer, stream)
        read = stream if model.parallel_blocks else stream + attended
        scale = parts.mlp_norm.scale(read)
        pre_activation, activation = dictionary.respond(
            layer, values_at(dictionary.read_point, parts.mlp_norm, read, scale)
        )
        changed = writes.change(layer, activation)
        written = _mlp_written(run, layer, read, writes.take(layer))
        stream = stream + attended + written
        pre_activations.append(pre_activation)
        activations.append(changed)
    logits = model.read_logits(stream, model.final_norm.scale(stream))
    writes.largest.check_logits(logits)
    return ForwardPass(logits, tuple(pre_activations), tuple(activations))


def _attended(
    run: PreparedRun, layer: int, stream: Float[Tensor, "column position d_model"]
) -> Float[Tensor, "column position d_model"]:
    """The write of an attention block whose pattern is held."""
    parts, pattern = run.model.layers[layer], run.recording.pattern[layer]
    x = parts.attention_norm.apply(stream, parts.attention_norm.scale(stream))
    value = _linear(x, parts.value.weight, parts.value.bias)
    n_heads, head_dim = len(pattern), parts.output.weight.shape[1] // len(pattern)
    value = value.unflatten(-1, (-1, head_dim))
    value = value.repeat_interleave(n_heads // value.shape[2], dim=2)
    mixed = torch.einsum("hqk,ckhd->cqhd", pattern, value).flatten(2)
    written = _linear(mixed, parts.output.weight, parts.output.bias)
    post = parts.attention_post_norm
    return written if post is None else post.apply(written, post.scale(written))


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return nn.functional.linear(x, weight.float(), None if bias is None else bias.float())


def _mlp_written(
    run: PreparedRun, layer: int, read: Float[Tensor, "column position d_model"], added: Tensor | None
) -> Float[Tensor, "column position d_model"]:
    """The write of an MLP with the changes that are added to it."""
    parts, point = run.model.layers[layer], run.dictionary.write_point
    post = parts.mlp_post_norm
    x = parts.mlp_norm.apply(read, parts.mlp_norm.scale(read))
    output = parts.mlp(x.to(run.model.unembedding_weight.dtype))
    written = (output[0] if isinstance(output, tuple) else output).reshape(x.shape).float()
    if added is not None and point is WritePoint.MLP_OUTPUT:
        written = written + added
    if post is not None:
        written = post.apply(written, post.scale(written))
    if run.constrained and layer in run.layers:
        written = run.recording.mlp_write[layer].expand_as(written)
        if added is not None and point is WritePoint.MLP_OUTPUT:
            linear = LinearMap(run.model, run.recording)
            written = written + linear.at_stream(point, layer, added)
    return written if added is None or point is WritePoint.MLP_OUTPUT else written + added
