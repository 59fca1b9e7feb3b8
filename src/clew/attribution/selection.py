"""Selection of the active features that become nodes, by total attribution."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from clew.attribution.linear_map import LinearMap
from clew.attribution.targets import OutputTargets
from clew.dictionary.protocols import ActiveFeatures, Encoding
from clew.errors import ClewError
from clew.model.finite import all_finite
from clew.progress import OnStep, ignore_step


@torch.no_grad()
def select_features(
    linear: LinearMap,
    encoding: Encoding,
    outputs: OutputTargets,
    *,
    max_nodes: int,
    first_position: int,
    on_progress: OnStep = ignore_step,
) -> ActiveFeatures:
    """All active features from `first_position` on, or the `max_nodes` with the largest total attribution.

    A feature's total attribution to a target is its activation times the target's gradient on it
    through the whole linearised model, MLPs included; features rank by its magnitude, summed over
    the targets by weight.
    """
    if encoding.n_active(first_position) <= max_nodes:
        rank = [encoding.active(layer).activation.abs() for layer in range(linear.model.n_layers)]
    else:
        rank = total_attribution(linear, encoding, outputs, on_progress)
    chosen = []
    for layer, ranked in enumerate(rank):
        ranked[encoding.active(layer).position < first_position] = 0
    together = torch.cat(rank)
    check_ranks(together, linear)
    count = min(max_nodes, int(torch.count_nonzero(together)))
    best = together.topk(count).indices.sort().values
    begin = 0
    for layer, ranked in enumerate(rank):
        here = best[(best >= begin) & (best < begin + len(ranked))] - begin
        chosen.append(encoding.active(layer).at(here))
        begin += len(ranked)
    return joined(chosen)


def check_ranks(rank: Float[Tensor, " feature"], linear: LinearMap) -> None:
    """Raise `ClewError` for attributions that are infinite or NaN, among which none is the largest."""
    if not all_finite(rank):
        raise ClewError(
            f"Attributions of features are not finite, so they cannot be ranked: weights of "
            f"{linear.model.name} or of its dictionary are too large for float32, or damaged."
        )


def joined(parts: list[ActiveFeatures]) -> ActiveFeatures:
    """Features of several layers as one."""
    fields = ("layer", "position", "index", "activation")
    return ActiveFeatures(**{name: torch.cat([getattr(part, name) for part in parts]) for name in fields})


def total_attribution(
    linear: LinearMap,
    encoding: Encoding,
    outputs: OutputTargets,
    on_progress: OnStep = ignore_step,
) -> list[Float[Tensor, " feature"]]:
    """By layer, the weighted magnitude of every active feature's attribution over all paths."""
    model, n_positions = linear.model, linear.recording.n_positions
    weight = torch.tensor([target.weight for target in outputs.targets], device=model.device)
    gradient = outputs.direction.new_zeros(n_positions, model.d_model, len(weight))
    gradient[-1] = outputs.direction.T
    everywhere = torch.arange(n_positions, device=model.device)
    scratch = gradient.new_empty(linear.attention(0).scratch_floats(n_positions, len(weight)))
    attribution: list[Tensor] = []
    at_write: list[Tensor] = []
    for done, layer in enumerate(reversed(range(model.n_layers))):
        on_progress(done, model.n_layers)
        own = linear.pull_back_write(encoding.write_point, layer, gradient)
        # Only a cross-layer dictionary looks back at the gradients above.
        at_write = [own, *at_write][: encoding.reach]
        if encoding.reach > 1 and own is gradient:
            at_write[0] = gradient.clone()
        on_feature, on_read = encoding.pull_back(layer, at_write)
        attribution.append((on_feature.abs() @ weight) * encoding.active(layer).activation.abs())
        through = linear.read_from_stream(encoding.read_point, layer, everywhere, on_read.transpose(1, 2))
        if not model.parallel_blocks:
            gradient += through.transpose(1, 2)
        linear.attention(layer).add_backward(gradient, scratch)
        if model.parallel_blocks:
            gradient += through.transpose(1, 2)
    return attribution[::-1]
