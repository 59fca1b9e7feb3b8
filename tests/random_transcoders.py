"""Random transcoders of every kind, in memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from clew.dictionary.activation import Activation, BatchTopK, JumpReLU, ReLU, TopK
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.dictionary.transcoder_set import Decoder, LayerTranscoder, TranscoderSet
from clew.dictionary.weights import HeldWeights
from clew.model.language_model import LanguageModel

N_FEATURES = 7


@dataclass(frozen=True)
class Kind:
    """The settings of one kind of transcoder."""

    activation: type[Activation]
    crosses_layers: bool = False
    skip: bool = False


KINDS = {
    "PLT ReLU": Kind(ReLU),
    "PLT JumpReLU": Kind(JumpReLU),
    "PLT TopK": Kind(TopK),
    "PLT BatchTopK": Kind(BatchTopK),
    "PLT with skip": Kind(ReLU, skip=True),
    "CLT ReLU": Kind(ReLU, crosses_layers=True),
    "CLT JumpReLU with skip": Kind(JumpReLU, crosses_layers=True, skip=True),
}


def random_transcoders(
    model: LanguageModel,
    kind: str,
    seed: int = 0,
    read_point: ReadPoint = ReadPoint.MLP_INPUT,
    write_point: WritePoint = WritePoint.STREAM,
) -> TranscoderDictionary:
    """Random features for every layer, bound to the model."""
    of, d_model = KINDS[kind], model.d_model
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> HeldWeights:
        return HeldWeights(torch.randn(shape, generator=generator) * shape[-1] ** -0.5)

    layers = {}
    for layer in range(model.n_layers):
        written = model.n_layers - layer if of.crosses_layers else 1
        layers[layer] = LayerTranscoder(
            encoder=random(N_FEATURES, d_model),
            encoder_bias=random(N_FEATURES),
            decoder=Decoder(random(N_FEATURES, written, d_model)),
            decoder_bias=random(d_model),
            activation=_activation(of.activation),
            skip=random(d_model, d_model) if of.skip else None,
        )
    return TranscoderDictionary(model, TranscoderSet(layers, read_point, write_point, "random"), "random")


def _activation(kind: type[Activation]) -> Activation:
    if kind is JumpReLU:
        return JumpReLU(HeldWeights(torch.linspace(0, 0.5, N_FEATURES)))
    if kind is TopK:
        return TopK(3)
    return BatchTopK(0.2) if kind is BatchTopK else ReLU()
