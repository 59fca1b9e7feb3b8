"""The linear map from the residual stream to later read points, with patterns, norms and MLPs frozen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clew.attribution.frozen_attention import FrozenAttention
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.model.language_model import LanguageModel, Norm
from clew.model.recording import Recording


@dataclass(frozen=True)
class SkipConnection:
    """A transcoder's skip connection on the stream: it adds `scale * (matrix @ stream)`."""

    matrix: Float[Tensor, "d_model d_model"]
    """The skip, with the gains of the norm that it reads through and the post-norm that it writes through."""
    scale: Float[Tensor, " position"]
    """Both norms' frozen scales."""

    def written(self, stream: Float[Tensor, "position d_model"]) -> Float[Tensor, "position d_model"]:
        """The writes on a whole prompt."""
        return stream @ self.matrix.T * self.scale[:, None]

    def forward(self, stream: Float[Tensor, "position d_model column"], buffer: Tensor) -> Tensor:
        """The writes for streams at the last positions of the prompt, computed in `buffer`."""
        return self._product(self.matrix, self.scale[-len(stream) :], stream, buffer)

    def backward(self, gradient: Float[Tensor, "position d_model column"], buffer: Tensor) -> Tensor:
        """Gradients at its input for those at the first positions of the prompt, computed in `buffer`."""
        return self._product(self.matrix.T, self.scale[: len(gradient)], gradient, buffer)

    @staticmethod
    def _product(matrix: Tensor, scale: Tensor, columns: Tensor, buffer: Tensor) -> Tensor:
        product = buffer[: columns.numel()].view(columns.shape)
        torch.bmm(matrix.expand(len(columns), -1, -1), columns, out=product)
        return product.mul_(scale[:, None, None])


@dataclass(frozen=True)
class LinearMap:
    """A model on one recording, everything but the residual stream held fixed."""

    model: LanguageModel
    recording: Recording

    def attention(self, layer: int) -> FrozenAttention:
        """A layer's attention block with its recorded pattern and norms."""
        parts, recording = self.model.layers[layer], self.recording
        output = parts.output.weight.float().T
        pattern = recording.pattern[layer] * recording.attention_scale[layer]
        if parts.attention_post_norm is not None and recording.attention_post_scale is not None:
            output = _through_post_norm(parts.attention_post_norm, output)
            pattern = pattern * recording.attention_post_scale[layer][:, None]
        value = _before_norm(parts.attention_norm, parts.value.weight.float(), gain=True).T
        return FrozenAttention(output=output, pattern=pattern, value=value.contiguous())

    def attention_constant(self, layer: int) -> Float[Tensor, "position d_model"] | None:
        """The write of the block's biases (of its norms, `W_V`, `W_O`) to the stream; None without any."""
        parts, recording = self.model.layers[layer], self.recording
        at_values = _sum(parts.value.bias, _matvec(parts.value.weight, parts.attention_norm.bias))
        attended = None
        if at_values is not None:
            n_heads = recording.pattern[layer].shape[0]
            head_dim = parts.output.weight.shape[1] // n_heads
            per_head = at_values.view(-1, head_dim).repeat_interleave(n_heads * head_dim // len(at_values), 0)
            attended = torch.einsum("hp,hd->phd", recording.pattern[layer].sum(2), per_head).flatten(1)
            attended = attended @ parts.output.weight.float().T
        constant = _sum(attended, parts.output.bias)
        if constant is None:
            return _broadcast_bias(parts.attention_post_norm, recording.n_positions)
        constant = constant.expand(recording.n_positions, -1)
        if parts.attention_post_norm is None or recording.attention_post_scale is None:
            return constant
        return parts.attention_post_norm.apply(constant, recording.attention_post_scale[layer])

    def read_from_stream(
        self,
        point: ReadPoint,
        layer: int,
        position: Int[Tensor, " reader"],
        direction: Float[Tensor, "reader ... d_model"],
    ) -> Float[Tensor, "reader ... d_model"]:
        """Directions at a read point as directions on the raw stream before the layer's MLP."""
        if point is ReadPoint.RESIDUAL:
            return direction
        norm, scale = self.model.layers[layer].mlp_norm, self.recording.mlp_scale[layer, position]
        direction = _before_norm(norm, direction, gain=point is ReadPoint.MLP_INPUT)
        return direction * scale.view(-1, *[1] * (direction.ndim - 1))

    def write_to_stream(
        self,
        point: WritePoint,
        layer: int,
        position: Int[Tensor, " writer"],
        direction: Float[Tensor, "writer d_model"],
    ) -> Float[Tensor, "writer d_model"]:
        """Directions at a write point as directions on the stream after the layer's MLP."""
        norm, scale = self.model.layers[layer].mlp_post_norm, self.recording.mlp_post_scale
        if point is WritePoint.STREAM or norm is None or scale is None:
            return direction
        return _through_post_norm(norm, direction) * scale[layer, position].unsqueeze(-1)

    def at_stream(
        self, point: WritePoint, layer: int, values: Float[Tensor, "column position d_model"]
    ) -> Float[Tensor, "column position d_model"]:
        """Values at a write point, at every position, as writes to the stream."""
        position = torch.arange(values.shape[1], device=values.device).repeat(len(values))
        return self.write_to_stream(point, layer, position, values.flatten(0, 1)).view(values.shape)

    def to_read_point(
        self, point: ReadPoint, layer: int, change: Float[Tensor, "position d_model column"]
    ) -> Float[Tensor, "position d_model column"]:
        """A change of the stream before a layer's MLP as a change at the read point."""
        if point is ReadPoint.RESIDUAL:
            return change
        norm, scale = self.model.layers[layer].mlp_norm, self.recording.mlp_scale[layer]
        if norm.centred:
            change = change - change.mean(dim=1, keepdim=True)
        gain = norm.gain if point is ReadPoint.MLP_INPUT else torch.ones_like(norm.gain)
        return change * scale[:, None, None] * gain.view(-1, 1)

    def pull_back_write(
        self, point: WritePoint, layer: int, gradient: Float[Tensor, "position d_model target"]
    ) -> Float[Tensor, "position d_model target"]:
        """A gradient on the stream after the layer's MLP, carried to the write point."""
        norm, scale = self.model.layers[layer].mlp_post_norm, self.recording.mlp_post_scale
        if point is WritePoint.STREAM or norm is None or scale is None:
            return gradient
        return (
            _before_norm(norm, gradient.transpose(1, 2), gain=True).transpose(1, 2)
            * scale[layer, :, None, None]
        )

    def write_constant(
        self, point: WritePoint, layer: int, offset: Float[Tensor, " d_model"] | None
    ) -> Float[Tensor, "position d_model"] | None:
        """The write of a decoder's offset and the post-norm's bias to the stream; None without any."""
        norm, n_positions = self.model.layers[layer].mlp_post_norm, self.recording.n_positions
        constant = None if point is WritePoint.STREAM else _broadcast_bias(norm, n_positions)
        if offset is None:
            return constant
        everywhere = torch.arange(n_positions, device=offset.device)
        written = self.write_to_stream(point, layer, everywhere, offset.expand(n_positions, -1))
        return written if constant is None else written + constant

    def skip_connection(
        self, read: ReadPoint, write: WritePoint, layer: int, skip: Float[Tensor, "d_model d_model"] | None
    ) -> SkipConnection | None:
        """A skip connection (`skip @ x` from read point to write point) as a map on the stream."""
        if skip is None:
            return None
        scale = torch.ones_like(self.recording.mlp_scale[layer])
        norm, post_norm = self.model.layers[layer].mlp_norm, self.model.layers[layer].mlp_post_norm
        if read is not ReadPoint.RESIDUAL:
            skip = _before_norm(norm, skip, gain=read is ReadPoint.MLP_INPUT)
            scale = scale * self.recording.mlp_scale[layer]
        if write is WritePoint.MLP_OUTPUT and post_norm and self.recording.mlp_post_scale is not None:
            skip = _through_post_norm(post_norm, skip.T).T
            scale = scale * self.recording.mlp_post_scale[layer]
        return SkipConnection(skip, scale)

    def read_bias(self, point: ReadPoint, layer: int) -> Float[Tensor, " d_model"] | None:
        """The value at a read point where the stream is zero."""
        return self.model.layers[layer].mlp_norm.bias if point is ReadPoint.MLP_INPUT else None

    def read_output(self, direction: Float[Tensor, "target d_model"]) -> Float[Tensor, "target d_model"]:
        """Directions after the final norm, at the last position, as directions on the final stream."""
        return _before_norm(self.model.final_norm, direction, gain=True) * self.recording.final_scale[-1]

    def to_logits(
        self, change: Float[Tensor, "column position d_model"]
    ) -> Float[Tensor, "column position vocabulary"]:
        """A change of the stream before the final norm as a change of the logits before a soft-cap."""
        norm, weight = self.model.final_norm, self.model.unembedding_weight
        if norm.centred:
            change = change - change.mean(dim=-1, keepdim=True)
        read = change * self.recording.final_scale[:, None] * norm.gain
        return nn.functional.linear(read.to(weight.dtype), weight).float()


def _before_norm(norm: Norm, direction: Tensor, *, gain: bool) -> Tensor:
    """Directions that read a norm's output as directions that read its scaled input: `C (gain * v)`."""
    if gain:
        direction = direction * norm.gain
    return direction - direction.mean(dim=-1, keepdim=True) if norm.centred else direction


def _through_post_norm(norm: Norm, direction: Tensor) -> Tensor:
    """Directions written into a norm as directions behind it, up to its scale: `gain * (C v)`."""
    if norm.centred:
        direction = direction - direction.mean(dim=-1, keepdim=True)
    return direction * norm.gain


def _matvec(weight: Tensor, vector: Tensor | None) -> Tensor | None:
    return None if vector is None else weight.float() @ vector


def _sum(*terms: Tensor | None) -> Tensor | None:
    present = [term.float() for term in terms if term is not None]
    return sum(present[1:], present[0]) if present else None


def _broadcast_bias(norm: Norm | None, n_positions: int) -> Tensor | None:
    return None if norm is None or norm.bias is None else norm.bias.expand(n_positions, -1)
