"""Neurons read exactly their activation and together write exactly the MLP's output."""

from __future__ import annotations

import pytest
import torch

from clew.attribution.linear_map import LinearMap
from clew.attribution.sources import gather_sources
from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.protocols import ActiveFeatures
from clew.errors import ClewError
from clew.model.recording import record
from tests.tiny import MIXTURES, WITH_NEURONS, random_ids, tiny_model

architectures = pytest.mark.parametrize("architecture", sorted(WITH_NEURONS))


def all_neurons(encoding, n_layers: int) -> ActiveFeatures:
    activation = torch.stack([encoding.state(layer).activation for layer in range(n_layers)])
    layer, position, index = torch.ones_like(activation).nonzero().T
    return ActiveFeatures(layer, position, index, activation.flatten())


@architectures
def test_directions_times_the_mlp_input_give_the_activation(architecture):
    model = tiny_model(architecture)
    recording = record(model, random_ids(6))
    encoding = NeuronDictionary(model).encode(recording)
    neurons = all_neurons(encoding, model.n_layers)
    direction, offset, total = encoding.reads(neurons)
    x = torch.stack(
        [
            layer.mlp_norm.apply(recording.residual_mid[number], recording.mlp_scale[number])
            for number, layer in enumerate(model.layers)
        ]
    )
    read = (direction * x[neurons.layer, neurons.position]).sum(-1) + offset
    torch.testing.assert_close(read, total, atol=1e-4, rtol=1e-4)


@architectures
def test_with_every_neuron_a_node_nothing_remains_for_the_errors(architecture):
    model = tiny_model(architecture)
    recording = record(model, random_ids(6))
    encoding = NeuronDictionary(model).encode(recording)
    neurons = all_neurons(encoding, model.n_layers)
    sources = gather_sources(LinearMap(model, recording), encoding, neurons, first_position=0)
    assert sources.remainder.abs().max() <= 1e-4 * recording.mlp_write.abs().max()


@pytest.mark.parametrize("architecture", sorted(MIXTURES))
def test_neurons_of_a_mixture_of_experts_are_refused(architecture):
    with pytest.raises(ClewError, match=r"a router chooses its neurons, .*; name transcoders"):
        NeuronDictionary(tiny_model(architecture))
