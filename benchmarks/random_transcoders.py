"""Random transcoders with a chosen number of active features: no quality, but the published sizes."""

from __future__ import annotations

import torch

from clew.dictionary.activation import JumpReLU
from clew.dictionary.points import ReadPoint, WritePoint, read_values
from clew.dictionary.transcoders import Decoder, LayerTranscoder, TranscoderSet
from clew.dictionary.weights import HeldWeights
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording


@torch.no_grad()
def random_transcoders(
    model: LanguageModel, recording: Recording, *, n_features: int, n_active: int, crosses_layers: bool
) -> TranscoderSet:
    """JumpReLU transcoders of which about `n_active` a layer and position are active on `recording`.

    A CLT's decoder is one random block seen by all layers: its rows are as large as real ones, at the
    memory of one layer.
    """
    torch.manual_seed(0)
    n_layers, d_model = model.n_layers, model.d_model
    layers = {}
    for layer in range(n_layers):
        encoder = torch.randn(n_features, d_model) / d_model**0.5
        x = read_values(model, recording, ReadPoint.MLP_INPUT, layer)[1:]
        threshold = (x @ encoder.T).flatten().quantile(1 - n_active / n_features)
        written = n_layers - layer if crosses_layers else 1
        decoder = torch.randn(n_features, 1, d_model) / d_model**0.5
        layers[layer] = LayerTranscoder(
            encoder=HeldWeights(encoder),
            encoder_bias=HeldWeights(torch.zeros(n_features)),
            decoder=Decoder(HeldWeights(decoder.expand(-1, written, -1))),
            decoder_bias=HeldWeights(torch.zeros(d_model)),
            activation=JumpReLU(HeldWeights(threshold.repeat(n_features))),
        )
    return TranscoderSet(layers, ReadPoint.MLP_INPUT, WritePoint.STREAM, "random")
