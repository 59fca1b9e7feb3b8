"""Transcoders before their first step: from samples of the data, or from the MLP's own neurons."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.model.language_model import NeuronParts
from clew.training.activations import ByLayer
from clew.training.dead_features import BEGIN_NORM, unit
from clew.training.settings import Kind
from clew.training.transcoders import Normalization, StackedTranscoders

THRESHOLD_TOKENS = 256
"""Tokens that the first thresholds are measured on."""


def begin_from_samples(
    reads: ByLayer,
    writes: ByLayer,
    n_features: int,
    l0: float,
    generator: torch.Generator,
    kind: Kind,
    places: Sequence[int],
) -> StackedTranscoders:
    """Transcoders whose features read and write in the directions of random tokens' inputs and outputs.

    No token serves two features while there are others. `reads` and `writes` are normalized; `places` says
    which of the layers that are written are those that are read. Thresholds are such that about `l0`
    features are active.
    """
    n_layers, n_tokens, d_model = reads.shape
    chosen = _drawn(n_tokens, n_features, generator).to(reads.device)
    encoder = BEGIN_NORM * unit(reads[:, chosen].float())
    some = torch.randint(n_tokens, (THRESHOLD_TOKENS,), generator=generator).to(reads.device)
    reach = tuple(len(writes) - place if kind == "clt" else 1 for place in places)
    decoder = torch.cat(
        [writes[place : place + n, chosen].float() for place, n in zip(places, reach, strict=True)]
    )
    stacked = StackedTranscoders(
        encoder=encoder,
        encoder_bias=encoder.new_zeros(n_layers, n_features),
        decoder=decoder,
        decoder_bias=encoder.new_zeros(n_layers, d_model),
        threshold=first_threshold(encoder, reads[:, some].float(), l0).repeat(1, n_features),
        skip=encoder.new_zeros(n_layers, d_model, d_model) if kind == "skip-plt" else None,
        reach=reach,
        places=tuple(places),
    )
    stacked.normalize_decoders()
    return stacked


def _drawn(n_tokens: int, count: int, generator: torch.Generator) -> Int[Tensor, " drawn"]:
    """Random tokens, each once before any comes twice: features that begin alike stay alike."""
    rounds = -(-count // n_tokens)
    return torch.cat([torch.randperm(n_tokens, generator=generator) for _ in range(rounds)])[:count]


@torch.no_grad()
def begin_from_neurons(
    stacked: StackedTranscoders,
    neurons: Sequence[NeuronParts],
    normalization: Normalization,
    reads: ByLayer,
    l0: float,
) -> None:
    """Let features read and write as each layer's neurons do, as far as there are neurons; the rest stay.

    A gated neuron writes where its gate is positive, with the sign of its other factor: it becomes a feature
    that reads along the sum of the two, and one that reads along their difference and writes the opposite.
    Fewer features than neurons are those with the largest weights. `reads` are normalized; thresholds are
    such that about `l0` features are active.
    """
    for place, parts in enumerate(neurons):
        read, written = _neuron_directions(parts)
        own = stacked.own[place]
        read = unit(read * normalization.read_scale[place])
        written = written / normalization.write_scale[own]
        index = written.norm(dim=1).topk(min(len(written), stacked.n_features)).indices
        stacked.encoder[place, : len(index)] = BEGIN_NORM * read[index]
        decoders = stacked.decoder[stacked.pairs(place)]
        decoders[:, : len(index)] = 0
        decoders[0, : len(index)] = written[index]
    stacked.normalize_decoders()
    some = reads[:, :: -(-reads.shape[1] // THRESHOLD_TOKENS)]
    stacked.threshold.copy_(first_threshold(stacked.encoder, some, l0).expand_as(stacked.threshold))


def _neuron_directions(
    parts: NeuronParts,
) -> tuple[Float[Tensor, "feature d_model"], Float[Tensor, "feature d_model"]]:
    """Directions of norm 1 that a layer's neurons read along, and what they write for an input of norm 1."""
    up, written = parts.up.weight.float(), parts.down.weight.float().T
    size = up.norm(dim=1, keepdim=True)
    if parts.gate is None:
        return unit(up), size * written
    gate = parts.gate.weight.float()
    written = size * gate.norm(dim=1, keepdim=True) * written
    both = torch.cat([unit(gate) + unit(up), unit(gate) - unit(up)])
    return unit(both), torch.cat([written, -written])


def first_threshold(
    encoder: Float[Tensor, "layer feature d_model"], reads: ByLayer, l0: float
) -> Float[Tensor, "layer 1"]:
    """The threshold of each layer above which about `l0` of its features are active at a token."""
    pre_activation = (reads @ encoder.transpose(1, 2)).flatten(1)
    above = max(1, min(pre_activation.shape[1], round(l0 * reads.shape[1])))
    return pre_activation.topk(above, dim=1).values[:, -1:].clamp_min(1e-3)
