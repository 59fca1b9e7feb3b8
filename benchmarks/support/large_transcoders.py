"""Random transcoders with a chosen number of active features: no quality, but the published sizes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from clew.dictionary.activation import JumpReLU
from clew.dictionary.read_write_points import ReadPoint, WritePoint, read_values
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder, TranscoderSet
from clew.dictionary.weights import HeldWeights
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording


@dataclass(frozen=True)
class RepeatedWeights:
    """A large array that says the same rows over and over, so that it needs no memory."""

    block: Tensor
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return 4 * prod(self.shape)

    def read(self) -> Tensor:
        return self.rows(torch.arange(prod(self.shape[:-1]))).view(self.shape)

    def rows(self, index: Tensor) -> Tensor:
        return self.block[index % len(self.block)]


@torch.no_grad()
def random_transcoders(
    model: LanguageModel, recording: Recording, *, n_features: int, n_active: int, crosses_layers: bool
) -> TranscoderSet:
    """JumpReLU transcoders of which about `n_active` a layer and position are active on `recording`."""
    torch.manual_seed(0)
    n_layers, d_model = model.n_layers, model.d_model
    block = torch.randn(9973, d_model) / d_model**0.5
    layers = {}
    for layer in range(n_layers):
        encoder = torch.randn(n_features, d_model) / d_model**0.5
        x = read_values(model, recording, ReadPoint.MLP_INPUT, layer)[1:]
        threshold = (x @ encoder.T).flatten().quantile(1 - n_active / n_features)
        written = (n_layers - layer,) if crosses_layers else ()
        layers[layer] = LayerTranscoder(
            encoder=HeldWeights(encoder),
            encoder_bias=HeldWeights(torch.zeros(n_features)),
            decoder=Decoder(RepeatedWeights(block, (n_features, *written, d_model))),
            decoder_bias=HeldWeights(torch.zeros(d_model)),
            activation=JumpReLU(HeldWeights(threshold.repeat(n_features))),
        )
    return TranscoderSet(layers, ReadPoint.MLP_INPUT, WritePoint.STREAM, "random")
