"""Transcoders of one layer with weights rounded, features removed, or decoders exchanged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor

from clew.dictionary.activation import Activation, JumpReLU
from clew.dictionary.quantised_rows import round_rows
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder
from clew.dictionary.weights import HeldWeights

Change: TypeAlias = Callable[[LayerTranscoder], LayerTranscoder]


def rounded(bits: int) -> Change:
    """Every weight in so many bits, with a scale for 64 neighbours."""

    def change(part: LayerTranscoder) -> LayerTranscoder:
        decoder = replace(part.decoder, weights=HeldWeights(round_rows(part.decoder.weights.read(), bits)))
        return replace(part, encoder=HeldWeights(round_rows(part.encoder.read(), bits)), decoder=decoder)

    return change


def shuffled(part: LayerTranscoder) -> LayerTranscoder:
    """Each feature writes what another one should."""
    order = torch.randperm(part.n_features, generator=torch.Generator().manual_seed(0))
    return replace(
        part, decoder=replace(part.decoder, weights=HeldWeights(part.decoder.weights.read()[order]))
    )


def reduced_to(share: float) -> Change:
    """A random share of the features, at least one of them."""

    def change(part: LayerTranscoder) -> LayerTranscoder:
        order = torch.randperm(part.n_features, generator=torch.Generator().manual_seed(0))
        return with_features(part, order[: max(1, round(share * part.n_features))])

    return change


def with_features(part: LayerTranscoder, kept: Int[Tensor, " kept"]) -> LayerTranscoder:
    """These features alone."""
    kept = kept.sort().values
    return replace(
        part,
        encoder=HeldWeights(part.encoder.read()[kept]),
        encoder_bias=HeldWeights(part.encoder_bias.read()[kept]),
        decoder=Decoder(HeldWeights(part.decoder.weights.read()[kept]), part.decoder.first),
        activation=_activation_of(part.activation, kept),
    )


def _activation_of(activation: Activation, kept: Int[Tensor, " kept"]) -> Activation:
    if isinstance(activation, JumpReLU):
        return JumpReLU(HeldWeights(activation.threshold.read()[kept]))
    return activation
