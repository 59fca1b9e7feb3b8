"""A stand-in for a trained dictionary: random features that read and write the raw stream."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clew.dictionary.base import ActiveFeatures
from clew.dictionary.points import ReadPoint, WritePoint
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording


@dataclass(frozen=True)
class StreamFeatures:
    """Per layer a few features `relu(encoder @ residual_mid)` that write `decoder` to the stream."""

    encoder: Tensor
    """`[layer, feature, d_model]`."""
    decoder: Tensor
    """`[layer, feature, d_model]`."""
    name: str = "random"

    def encode(self, recording: Recording) -> StreamEncoding:
        return StreamEncoding(self.encoder, self.decoder, recording)


def stream_features(model: LanguageModel, n_features: int = 6, seed: int = 0) -> StreamFeatures:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, model.n_layers, n_features, model.d_model)
    encoder, decoder = torch.randn(shape, generator=generator) * model.d_model**-0.5
    return StreamFeatures(encoder, decoder)


@dataclass(frozen=True)
class StreamEncoding:
    """These features on one prompt."""

    encoder: Tensor
    decoder: Tensor
    recording: Recording
    read_point = ReadPoint.RESIDUAL
    write_point = WritePoint.STREAM

    def activations(self, layer: int) -> Tensor:
        return (self.recording.residual_mid[layer] @ self.encoder[layer].T).relu()

    def n_active(self, first_position: int) -> int:
        layers = range(len(self.encoder))
        return sum(int(self.activations(layer)[first_position:].count_nonzero()) for layer in layers)

    def reads(self, features: ActiveFeatures) -> tuple[Tensor, Tensor, Tensor]:
        direction = self.encoder[features.layer, features.index]
        return direction, torch.zeros(len(features)), features.activation

    def writes(self, features: ActiveFeatures, layer: int) -> tuple[Tensor, Tensor]:
        writers = torch.nonzero(features.layer == layer).squeeze(1)
        return writers, self.decoder[layer, features.index[writers]]

    def offset(self, layer: int) -> None:
        return None

    def pull_back(self, layer: int, gradient: Tensor) -> tuple[Tensor, Tensor]:
        on_feature = torch.einsum("fd,pdt->pft", self.decoder[layer], gradient)
        active = (self.activations(layer) > 0).float()
        on_read = torch.einsum("fd,pf,pft->pdt", self.encoder[layer], active, on_feature)
        return on_feature, on_read
