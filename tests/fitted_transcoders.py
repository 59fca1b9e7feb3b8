"""Transcoders that explain a tiny model well: random encoders, decoders fitted by least squares."""

from __future__ import annotations

from dataclasses import replace

import torch

from clew.dictionary.activation import ReLU
from clew.dictionary.read_write_points import ReadPoint, WritePoint, read_values
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder, TranscoderSet
from clew.dictionary.weights import HeldWeights
from clew.model.language_model import LanguageModel
from clew.model.recording import record


def fitted_transcoders(
    model: LanguageModel,
    ids: list[torch.Tensor],
    *,
    n_features: int = 150,
    read_point: ReadPoint = ReadPoint.NORMALIZED,
    seed: int = 0,
) -> TranscoderDictionary:
    """Per-layer transcoders whose decoders fit the MLP outputs on these token ids."""
    generator = torch.Generator().manual_seed(seed)
    recordings = [record(model, window) for window in ids]
    layers = {}
    for layer in range(model.n_layers):
        x = torch.cat([read_values(model, recording, read_point, layer)[1:] for recording in recordings])
        written = torch.cat([recording.mlp_write[layer, 1:] for recording in recordings])
        encoder = torch.randn(n_features, model.d_model, generator=generator) / x.std()
        bias = torch.randn(n_features, generator=generator)
        activation = torch.cat([(x @ encoder.T + bias).relu(), torch.ones(len(x), 1)], dim=1)
        decoder = torch.linalg.lstsq(activation, written).solution
        layers[layer] = LayerTranscoder(
            encoder=HeldWeights(encoder),
            encoder_bias=HeldWeights(bias),
            decoder=Decoder(HeldWeights(decoder[:-1])),
            decoder_bias=HeldWeights(decoder[-1]),
            activation=ReLU(),
        )
    found = TranscoderSet(layers, read_point, WritePoint.STREAM, "fitted")
    return TranscoderDictionary(model, found, "fitted")


def as_if(
    dictionary: TranscoderDictionary, *, factor: float = 1, only: tuple[int, ...] = ()
) -> TranscoderSet:
    """The same set with its output multiplied by a factor, in some layers or in all."""
    layers = dict(dictionary.transcoders.layers)
    for layer in only or layers:
        part = layers[layer]
        assert part.decoder_bias is not None
        layers[layer] = replace(
            part,
            decoder=Decoder(HeldWeights(part.decoder.weights.read() * factor)),
            decoder_bias=HeldWeights(part.decoder_bias.read() * factor),
        )
    return replace(dictionary.transcoders, layers=layers)
