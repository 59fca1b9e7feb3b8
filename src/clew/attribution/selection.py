"""Which active features become nodes, when there are more than the graph should hold."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from clew.attribution.linear import LinearMap
from clew.attribution.targets import OutputTargets
from clew.dictionary.base import ActiveFeatures, Encoding


@torch.no_grad()
def select_features(
    linear: LinearMap, encoding: Encoding, outputs: OutputTargets, *, max_nodes: int, first_position: int
) -> ActiveFeatures:
    """All active features from `first_position` on, or the `max_nodes` with the largest total attribution.

    A feature's total attribution to a target is its activation times the target's gradient on it
    through the whole linearised model, MLPs included; features rank by its magnitude, summed over
    the targets by weight.
    """
    if encoding.n_active(first_position) <= max_nodes:
        rank = [encoding.activations(layer).abs() for layer in range(linear.model.n_layers)]
    else:
        rank = total_attribution(linear, encoding, outputs)
    ranked = torch.stack(rank)[:, first_position:]
    count = min(max_nodes, int((ranked > 0).sum()))
    chosen = ranked.flatten().topk(count).indices
    layer, position, index = torch.unravel_index(chosen, ranked.shape)
    position = position + first_position
    activation = torch.stack([encoding.activations(number) for number in range(linear.model.n_layers)])
    return ActiveFeatures(layer, position, index, activation[layer, position, index]).sorted()


def total_attribution(
    linear: LinearMap, encoding: Encoding, outputs: OutputTargets
) -> list[Float[Tensor, "position feature"]]:
    """Per layer: the weighted magnitude of every feature's attribution over all paths, MLPs included."""
    model, n_positions = linear.model, linear.recording.n_positions
    weight = torch.tensor([target.weight for target in outputs.targets], device=model.device)
    gradient = outputs.direction.new_zeros(n_positions, model.d_model, len(weight))
    gradient[-1] = outputs.direction.T
    everywhere = torch.arange(n_positions, device=model.device)
    scratch = gradient.new_empty(linear.attention(0).scratch_floats(n_positions, len(weight)))
    found: list[Tensor] = []
    for layer in reversed(range(model.n_layers)):
        at_write = linear.pull_back_write(encoding.write_point, layer, gradient)
        on_feature, on_read = encoding.pull_back(layer, at_write)
        found.append((on_feature.abs() @ weight) * encoding.activations(layer).abs())
        through = linear.read_from_stream(encoding.read_point, layer, everywhere, on_read.transpose(1, 2))
        gradient += through.transpose(1, 2)
        linear.attention(layer).add_backward(gradient, scratch)
    return found[::-1]
