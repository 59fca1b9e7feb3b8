"""Which active features become nodes, when there are more than the graph should hold."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from clew.attribution.linear import LinearMap
from clew.attribution.sweep import OnStep
from clew.attribution.targets import OutputTargets
from clew.dictionary.base import ActiveFeatures, Encoding


@torch.no_grad()
def select_features(
    linear: LinearMap,
    encoding: Encoding,
    outputs: OutputTargets,
    *,
    max_nodes: int,
    first_position: int,
    on_progress: OnStep = lambda done, total: None,
) -> ActiveFeatures:
    """All active features from `first_position` on, or the `max_nodes` with the largest total attribution.

    A feature's total attribution to a target is its activation times the target's gradient on it
    through the whole linearised model, MLPs included; features rank by its magnitude, summed over
    the targets by weight.
    """
    n_layers = linear.model.n_layers
    if encoding.n_active(first_position) <= max_nodes:
        rank = torch.stack([encoding.activations(number).abs() for number in range(n_layers)])
    else:
        rank = total_attribution(linear, encoding, outputs, on_progress)
    rank[:, :first_position] = 0
    count = min(max_nodes, int(torch.count_nonzero(rank)))
    chosen = rank.flatten().topk(count).indices.sort().values
    layer, position, index = torch.unravel_index(chosen, rank.shape)
    activation = torch.empty(count, device=rank.device)
    for number in range(n_layers):
        here = layer == number
        activation[here] = encoding.activations(number)[position[here], index[here]]
    return ActiveFeatures(layer, position, index, activation)


def total_attribution(
    linear: LinearMap,
    encoding: Encoding,
    outputs: OutputTargets,
    on_progress: OnStep = lambda done, total: None,
) -> Float[Tensor, "layer position feature"]:
    """The weighted magnitude of every feature's attribution over all paths, MLPs included."""
    model, n_positions = linear.model, linear.recording.n_positions
    weight = torch.tensor([target.weight for target in outputs.targets], device=model.device)
    gradient = outputs.direction.new_zeros(n_positions, model.d_model, len(weight))
    gradient[-1] = outputs.direction.T
    everywhere = torch.arange(n_positions, device=model.device)
    scratch = gradient.new_empty(linear.attention(0).scratch_floats(n_positions, len(weight)))
    found = gradient.new_empty(model.n_layers, *encoding.activations(0).shape)
    for done, layer in enumerate(reversed(range(model.n_layers))):
        on_progress(done, model.n_layers)
        at_write = linear.pull_back_write(encoding.write_point, layer, gradient)
        on_feature, on_read = encoding.pull_back(layer, at_write)
        found[layer] = (on_feature.abs() @ weight) * encoding.activations(layer).abs()
        through = linear.read_from_stream(encoding.read_point, layer, everywhere, on_read.transpose(1, 2))
        if not model.parallel_blocks:
            gradient += through.transpose(1, 2)
        linear.attention(layer).add_backward(gradient, scratch)
        if model.parallel_blocks:
            gradient += through.transpose(1, 2)
    return found
