"""One pass through a model with some features changed, in each of three regimes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Float
from torch import Tensor, nn

from clew.attribution.linear_map import LinearMap
from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import WritePoint, values_at
from clew.intervention.intervention import Intervention
from clew.intervention.overflow import Largest
from clew.intervention.residual_writes import Edits, Pending, changed_places
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording


class Regime(Enum):
    """What is held fixed while changes spread: `y` is what the model computes on a prompt `x`, and `c d` a
    feature's change times its decoder direction, added to what the MLP writes.
    """

    DIRECT = "direct"
    """Attention, norms and every MLP are held, as an edge assumes: `y = y_0 + J (c d)`."""
    FROZEN_ATTENTION = "frozen-attention"
    """Attention patterns P are held; norms and MLPs respond: `y = f_P(x, c d)`."""
    FREE = "free"
    """The real model, all of which responds: `y = f(x, c d)`."""


@dataclass(frozen=True)
class Pass:
    """What came out; the first column has no changes."""

    logits: Float[Tensor, "column position vocabulary"]
    """Before a final soft-cap."""
    pre_activation: tuple[Float[Tensor, "column position feature"], ...]
    """By layer, of all features, whatever they were set to."""
    activation: tuple[Float[Tensor, "column position feature"], ...]
    """With the changes; in the direct regime other active features follow what they read."""


@dataclass(frozen=True)
class Setting:
    """What every regime needs."""

    model: LanguageModel
    dictionary: Dictionary
    recording: Recording
    edits: Mapping[int, Edits]
    strength: Float[Tensor, " column"]
    layers: range
    """Where changes may be written."""
    constrained: bool = False
    """Whether the MLPs of `layers` are held at what they wrote, so that effects spread from above them."""
    interventions: tuple[Intervention, ...] = ()
    """What `edits` came of, as the user said it."""

    def pending(self) -> Pending:
        return Pending(self.dictionary, self.edits, self.strength, self.layers)


@dataclass(frozen=True)
class Spread:
    """What changes do along edges alone; by layer where it is a tuple."""

    pre_activation: tuple[Float[Tensor, "position feature"], ...]
    """Before the changes."""
    read: tuple[Float[Tensor, "column position feature"], ...]
    """By how much pre-activations change."""
    activation: tuple[Float[Tensor, "column position feature"], ...]
    """With the changes; other active features follow what they read."""
    stream: Float[Tensor, "column position d_model"]
    """By how much the stream before the final norm changes."""
    largest: Largest


@torch.no_grad()
def run_direct(setting: Setting) -> Pass:
    """Changes spread along edges alone."""
    model, recording, found = setting.model, setting.recording, spread_along_edges(setting)
    plain = model.read_logits(recording.residual_final, recording.final_scale)
    # Changes are read by themselves: next to the whole stream, half precision would round small ones away.
    logits = plain + LinearMap(model, recording).to_logits(found.stream)
    found.largest.check_logits(logits)
    pairs = zip(found.pre_activation, found.read, strict=True)
    return Pass(logits, tuple(before + change for before, change in pairs), found.activation)


@torch.no_grad()
def spread_along_edges(setting: Setting) -> Spread:
    """The changes themselves, free of the rounding of what they are added to."""
    model, recording, dictionary = setting.model, setting.recording, setting.dictionary
    linear, encoding = LinearMap(model, recording), dictionary.encode(recording)
    pending, n_columns = setting.pending(), len(setting.strength)
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
        changed = pending.note(layer, activation.expand(n_columns, -1, -1))
        attention = linear.attention(layer)
        before = stream.clone()
        attention.add_forward(stream, stream.new_empty(attention.scratch_floats(*stream.shape[::2])))
        read = before if model.parallel_blocks else stream
        change = encoding.push_forward(layer, linear.to_read_point(dictionary.read_point, layer, read))
        change = change.permute(2, 0, 1)
        pre_activations.append(pre_activation)
        reads.append(change)
        follows = activation != 0
        if (edits := setting.edits.get(layer)) is not None:
            follows &= ~changed_places(edits, *activation.shape).to(follows.device)
        activations.append(changed + change * follows)
        skip = linear.skip_connection(
            dictionary.read_point, dictionary.write_point, layer, encoding.skip(layer)
        )
        if skip is not None:
            stream = stream + skip.forward(read, torch.empty_like(read).flatten())
        if (added := pending.take(layer, normed=False)) is not None:
            stream = stream + linear.at_stream(dictionary.write_point, layer, added).permute(1, 2, 0)
    found = (tuple(values) for values in (pre_activations, reads, activations))
    return Spread(*found, stream=stream.permute(2, 0, 1), largest=pending.largest)


@torch.no_grad()
def run_with_frozen_attention(setting: Setting) -> Pass:
    """Norms and MLPs respond, attention patterns do not."""
    model, dictionary, n_columns = setting.model, setting.dictionary, len(setting.strength)
    pending = setting.pending()
    stream = setting.recording.embedding.expand(n_columns, -1, -1)
    pre_activations, activations = [], []
    for layer, parts in enumerate(model.layers):
        attended = _attended(setting, layer, stream)
        read = stream if model.parallel_blocks else stream + attended
        scale = parts.mlp_norm.scale(read)
        pre_activation, activation = dictionary.respond(
            layer, values_at(dictionary.read_point, parts.mlp_norm, read, scale)
        )
        changed = pending.note(layer, activation)
        written = _mlp_written(setting, layer, read, pending.take(layer))
        stream = stream + attended + written
        pre_activations.append(pre_activation)
        activations.append(changed)
    logits = model.read_logits(stream, model.final_norm.scale(stream))
    pending.largest.check_logits(logits)
    return Pass(logits, tuple(pre_activations), tuple(activations))


def _attended(
    setting: Setting, layer: int, stream: Float[Tensor, "column position d_model"]
) -> Float[Tensor, "column position d_model"]:
    """What an attention block adds to a stream, its pattern held."""
    parts, pattern = setting.model.layers[layer], setting.recording.pattern[layer]
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
    setting: Setting, layer: int, read: Float[Tensor, "column position d_model"], added: Tensor | None
) -> Float[Tensor, "column position d_model"]:
    """What an MLP adds to the stream, with the changes that are written there."""
    parts, point = setting.model.layers[layer], setting.dictionary.write_point
    post = parts.mlp_post_norm
    x = parts.mlp_norm.apply(read, parts.mlp_norm.scale(read))
    output = parts.mlp(x.to(setting.model.unembedding_weight.dtype))
    written = (output[0] if isinstance(output, tuple) else output).reshape(x.shape).float()
    if added is not None and point is WritePoint.MLP_OUTPUT:
        written = written + added
    if post is not None:
        written = post.apply(written, post.scale(written))
    if setting.constrained and layer in setting.layers:
        written = setting.recording.mlp_write[layer].expand_as(written)
        if added is not None and point is WritePoint.MLP_OUTPUT:
            linear = LinearMap(setting.model, setting.recording)
            written = written + linear.at_stream(point, layer, added)
    return written if added is None or point is WritePoint.MLP_OUTPUT else written + added
