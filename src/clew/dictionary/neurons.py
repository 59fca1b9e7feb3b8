"""The model's own MLP neurons as a dictionary: no training, every model, no reconstruction error.

A gated neuron's activation is `a = act(z) u` with `z = W_gate x` and `u = W_up x`. With
`c = act(z) / z` frozen, the product is split evenly between its two factors:

    e = c (u W_gate + z W_up) / 2        so that e . x = a where there is no bias.

A plain neuron reads `e = (act(z) / z) W_in`. These are the half rule and the identity rule of layer-wise
relevance propagation: "RelP: Faithful and Efficient Circuit Discovery via Relevance Patching", Rezaei Jafari
et al. 2025, https://arxiv.org/abs/2508.21258
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clew.dictionary.protocols import ActiveFeatures
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.errors import ClewError
from clew.model.anatomy import require_neurons
from clew.model.language_model import LanguageModel, Layer, NeuronParts, Projection
from clew.model.recording import Recording
from clew.options import option_name

NEARLY_ZERO = 1e-4
"""Bound of an activation function at zero; some are zero there but for rounding."""


@dataclass(frozen=True)
class NeuronDictionary:
    """Every MLP neuron of `model`; a layer's features are the columns of its down projection.

    Raises `ClewError` for a mixture of experts, and for an activation function that is not zero at zero: a
    share `act(z) / z` of it would have no limit.
    """

    model: LanguageModel
    name: str = "neurons"

    def __post_init__(self) -> None:
        require_neurons(self.model.anatomy, self.model.name)
        activation = parts_of(self.model.layers[0]).activation
        at_zero = float(activation(torch.zeros(1, device=self.model.device)))
        if abs(at_zero) > NEARLY_ZERO:
            raise ClewError(
                f"{self.model.name}'s neurons are active without an input, as their activation function "
                f"({type(activation).__name__}) is {at_zero:.2g} at 0, so clew cannot trace through them; "
                f"name transcoders that were trained for it with {option_name('dictionary', 'REF')}."
            )

    def changed_on_disk(self) -> bool:
        """False: its weights are the model's."""
        return False

    def encode(self, recording: Recording) -> NeuronEncoding:
        """The neurons on one recording."""
        return NeuronEncoding(self.model, recording)

    read_point = ReadPoint.MLP_INPUT
    write_point = WritePoint.MLP_OUTPUT
    sink = None
    weights_key = ""

    @property
    def n_features(self) -> tuple[int, ...]:
        return tuple(parts_of(layer).down.weight.shape[1] for layer in self.model.layers)

    def respond(
        self, layer: int, x: Float[Tensor, "... d_model"]
    ) -> tuple[Float[Tensor, "... feature"], Float[Tensor, "... feature"]]:
        """Activations of a layer's neurons for an MLP input `x`, twice: neurons have no pre-activations."""
        activation = _neuron_state(parts_of(self.model.layers[layer]), x).activation
        return activation, activation

    def decoder(self, layer: int, index: Int[Tensor, " feature"]) -> Float[Tensor, "feature 1 d_model"]:
        """Columns of the layer's down projection."""
        return parts_of(self.model.layers[layer]).down.weight[:, index].T.float().unsqueeze(1)


def parts_of(layer: Layer) -> NeuronParts:
    """A layer's neurons; only for a model that `NeuronDictionary` accepts."""
    assert layer.neurons is not None
    return layer.neurons


@dataclass(frozen=True)
class NeuronState:
    """One layer's neurons on one prompt: `activation = slope * gate * up` (`up` is 1 in a plain MLP)."""

    gate: Float[Tensor, "position feature"]
    up: Float[Tensor, "position feature"] | None
    act: Callable[[Tensor], Tensor]

    @property
    def slope(self) -> Float[Tensor, "position feature"]:
        """`act(z) / z`, frozen; for a z too small to divide by, the value at 0.001."""
        z = torch.where(self.gate.abs() < 1e-6, 1e-3, self.gate)
        return self.act(z) / z

    @property
    def activation(self) -> Float[Tensor, "position feature"]:
        plain = self.slope * self.gate
        return plain if self.up is None else plain * self.up


def _neuron_state(parts: NeuronParts, x: Float[Tensor, "position d_model"]) -> NeuronState:
    if parts.gate is None:
        return NeuronState(gate=_linear(parts.up, x), up=None, act=parts.activation)
    return NeuronState(gate=_linear(parts.gate, x), up=_linear(parts.up, x), act=parts.activation)


def _linear(projection: Projection, x: Tensor) -> Tensor:
    bias = None if projection.bias is None else projection.bias.float()
    return nn.functional.linear(x, projection.weight.float(), bias)


@dataclass(frozen=True)
class NeuronEncoding:
    """The neurons on one prompt; `clew.dictionary.protocols.Encoding` documents the methods."""

    model: LanguageModel
    recording: Recording
    read_point = ReadPoint.MLP_INPUT
    write_point = WritePoint.MLP_OUTPUT
    reach = 1

    @torch.no_grad()
    def state(self, layer: int) -> NeuronState:
        """Gate and up values of the recorded stream, in float32; computed again each time to save memory."""
        norm = self.model.layers[layer].mlp_norm
        x = norm.apply(self.recording.residual_mid[layer], self.recording.mlp_scale[layer])
        return _neuron_state(self.parts(layer), x)

    def parts(self, layer: int) -> NeuronParts:
        return parts_of(self.model.layers[layer])

    def n_active(self, first_position: int) -> int:
        n_positions = self.recording.n_positions - first_position
        return n_positions * sum(
            self.parts(layer).down.weight.shape[1] for layer in range(self.model.n_layers)
        )

    def active(self, layer: int) -> ActiveFeatures:
        return ActiveFeatures.of_layer(layer, self.state(layer).activation)

    def reads(
        self, features: ActiveFeatures
    ) -> tuple[Float[Tensor, "feature d_model"], Float[Tensor, " feature"], Float[Tensor, " feature"]]:
        direction = torch.empty(len(features), self.model.d_model, device=self.model.device)
        offset = torch.empty(len(features), device=self.model.device)
        for number in features.layer.unique().tolist():
            chosen = torch.nonzero(features.layer == number).squeeze(1)
            direction[chosen], offset[chosen] = self._layer_reads(
                number, features.position[chosen], features.index[chosen]
            )
        return direction, offset, features.activation

    def _layer_reads(self, number: int, position: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        layer, state = self.parts(number), self.state(number)
        slope, gate = state.slope[position, index], state.gate[position, index]
        if layer.gate is None or state.up is None:
            return slope[:, None] * layer.up.weight[index].float(), slope * _bias(layer.up, index)
        to_gate = slope * state.up[position, index] / 2
        to_up = slope * gate / 2
        direction = to_gate[:, None] * layer.gate.weight[index].float()
        direction += to_up[:, None] * layer.up.weight[index].float()
        return direction, to_gate * _bias(layer.gate, index) + to_up * _bias(layer.up, index)

    def writes(
        self, features: ActiveFeatures, layer: int
    ) -> tuple[Int[Tensor, " writer"], Float[Tensor, "writer d_model"]]:
        writers = torch.nonzero(features.layer == layer).squeeze(1)
        columns = self.parts(layer).down.weight[:, features.index[writers]]
        return writers, columns.T.float()

    def offset(self, layer: int) -> Float[Tensor, " d_model"] | None:
        bias = self.parts(layer).down.bias
        return None if bias is None else bias.float()

    def skip(self, layer: int) -> None:
        return None

    def push_forward(
        self, layer: int, change: Float[Tensor, "position d_model column"]
    ) -> Float[Tensor, "position feature column"]:
        parts, state = self.parts(layer), self.state(layer)
        slope = state.slope[:, :, None]
        on_up = parts.up.weight.float() @ change
        if parts.gate is None or state.up is None:
            return slope * on_up
        on_gate = parts.gate.weight.float() @ change
        return slope * (state.up[:, :, None] * on_gate + state.gate[:, :, None] * on_up) / 2

    def pull_back(
        self, layer: int, at_write: Sequence[Float[Tensor, "position d_model target"]]
    ) -> tuple[Float[Tensor, "feature target"], Float[Tensor, "position d_model target"]]:
        gradient = at_write[0]
        parts, state = self.parts(layer), self.state(layer)
        slope = state.slope
        # Positions and targets side by side: one wide product instead of a narrow one per position.
        sides = (gradient.shape[0], gradient.shape[2])
        on_feature = parts.down.weight.float().T @ gradient.transpose(0, 1).flatten(1)
        on_feature = on_feature.unflatten(1, sides)

        def through(projection: Projection, factor: Float[Tensor, "position feature"]) -> Tensor:
            scaled = on_feature * factor.T[:, :, None]
            return projection.weight.float().T @ scaled.flatten(1)

        if parts.gate is None or state.up is None:
            on_read = through(parts.up, slope)
        else:
            on_read = through(parts.gate, slope * state.up / 2)
            on_read += through(parts.up, slope * state.gate / 2)
        position, index = torch.nonzero(state.activation, as_tuple=True)
        return on_feature[index, position], on_read.unflatten(1, sides).transpose(0, 1)


def _bias(projection: Projection, index: Tensor) -> Tensor:
    if projection.bias is None:
        return torch.zeros(len(index), device=index.device)
    return projection.bias[index].float()
