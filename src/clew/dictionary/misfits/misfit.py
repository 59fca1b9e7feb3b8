"""Misfits of a set and a model: a change of the set, and the quality that it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clew.dictionary.quality import Quality, quality_on
from clew.dictionary.read_write_points import Point
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.dictionary.transcoder_set import LayerTranscoder, TranscoderSet
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording

FITS = 0.9
"""The largest FVU with which a change counts as the cause."""

Change = Callable[[LayerTranscoder], LayerTranscoder]


@dataclass(frozen=True)
class Cause:
    """A sentence about what went wrong and what to do, and the FVU without it."""

    sentence: str
    fvu: float


@dataclass(frozen=True)
class Misfit:
    """A set that does not fit its model, on some recordings."""

    dictionary: TranscoderDictionary
    recordings: Sequence[Recording]
    quality: Quality
    """Its quality as it is."""

    @property
    def own(self) -> TranscoderSet:
        return self.dictionary.transcoders

    @property
    def model(self) -> LanguageModel:
        return self.dictionary.model

    def with_layers(self, change: Change) -> TranscoderSet:
        """The set with each of its layers changed."""
        return replace(self.own, layers={layer: change(part) for layer, part in self.own.layers.items()})

    def quality_of(self, changed: TranscoderSet) -> Quality:
        """The quality of another set in its place."""
        return quality_on(replace(self.dictionary, transcoders=changed), self.recordings)

    def changed(self, change: Change) -> Quality:
        return self.quality_of(self.with_layers(change))


def own_first(own: Point) -> list[Point]:
    """All points of a kind; the set's own one comes first."""
    return [own, *(point for point in type(own) if point is not own)]


def every_feature(part: LayerTranscoder) -> Tensor:
    """The numbers of a layer's features."""
    return torch.arange(part.n_features)
