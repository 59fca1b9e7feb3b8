"""How well transcoders stand in for the MLPs of a model, measured on a text.

A wrong read point, a wrong scale or another model's weights raise no error by themselves: they only
explain nothing, and this is where it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import fmean, median

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.dictionary.points import ReadPoint, WritePoint, write_values
from clew.dictionary.transcoding import TranscoderDictionary, TranscoderEncoding
from clew.errors import ClewError
from clew.model.recording import Recording, record

TEXT = """\
The river rises in the hills above the town, and for most of the year it is shallow enough to cross on \
foot. In 1887, after three days of rain, it took the old bridge and two mills with it. "We heard it before \
we saw it," said the miller's wife. A new bridge was finished within eighteen months; it cost $12,400."""
"""What dictionaries are tried on where the user names no text of their own."""


@dataclass(frozen=True)
class LayerQuality:
    """One layer's transcoder on one text."""

    layer: int
    fvu: float
    """Fraction of the variance of the MLP's output (over positions but the first) left unexplained."""
    l0: float
    """Active features at a position, on average."""
    dead: float
    """Share of the layer's features that are active nowhere in the text."""


@dataclass(frozen=True)
class Quality:
    """A dictionary on one text; the first position, where attention sinks, is left out."""

    layers: tuple[LayerQuality, ...]
    n_positions: int
    best_scale: float
    """What the reconstruction would have to be multiplied by to explain most: median over layers."""
    scaled_fvu: float
    """The median FVU with every layer multiplied by its best scale."""

    @property
    def fvu(self) -> float:
        """The median over layers, so that one odd layer does not hide the others."""
        return median(layer.fvu for layer in self.layers)

    @property
    def l0(self) -> float:
        return fmean(layer.l0 for layer in self.layers)

    @property
    def dead(self) -> float:
        return fmean(layer.dead for layer in self.layers)

    def __str__(self) -> str:
        return (
            f"FVU {self.fvu:.2f}, L0 {self.l0:.0f}, {self.dead:.0%} of the features never active "
            f"({self.n_positions} tokens)"
        )


@torch.no_grad()
def measure_quality(dictionary: TranscoderDictionary, text: str = TEXT) -> Quality:
    """Reconstruct every MLP output of a text (two tokens or more) and compare.

    Raises `ClewError` for a text that is too short or longer than the model's context.
    """
    return _quality(dictionary, record(dictionary.model, _token_ids(dictionary, text)))


def check_quality(dictionary: TranscoderDictionary, text: str = TEXT) -> Quality:
    """Measure, and raise `ClewError` with the likely cause where most layers explain less than nothing."""
    recording = record(dictionary.model, _token_ids(dictionary, text))
    quality = _quality(dictionary, recording)
    if quality.fvu <= 1:
        return quality
    raise ClewError(
        f"{dictionary.name} does not fit {dictionary.model.name}: the fraction of variance that it leaves "
        f"unexplained (FVU) is {quality.fvu:.2f}, more than if it wrote nothing but the mean, as it reads "
        f"{_described(dictionary.transcoders.read_point)} and writes "
        f"{_described(dictionary.transcoders.write_point)}. {_likely_cause(dictionary, recording, quality)}"
    )


def _token_ids(dictionary: TranscoderDictionary, text: str) -> Int[Tensor, " position"]:
    ids = dictionary.model.tokenizer.encode(text)
    if len(ids) < 3:
        raise ClewError(f"A dictionary cannot be measured on {text!r}: give a text of a few words.")
    limit = dictionary.model.context_length
    if len(ids) > limit:
        raise ClewError(
            f"The text has {len(ids):,} tokens, the model takes {limit:,}: give a shorter one to measure on."
        )
    return torch.tensor(ids)


def _quality(dictionary: TranscoderDictionary, recording: Recording) -> Quality:
    encoding = dictionary.encode(recording)
    written = encoding.reconstructions()
    layers, scales, scaled = [], [], []
    for layer in sorted(dictionary.transcoders.layers):
        point = dictionary.transcoders.write_point
        guess = write_values(dictionary.model, recording, point, layer, written[layer])[1:]
        truth = recording.mlp_write[layer, 1:]
        layers.append(_layer_quality(encoding, layer, _unexplained(truth, guess)))
        scale = _best_scale(truth, guess)
        scales.append(scale)
        scaled.append(_unexplained(truth, _centred(guess) * scale + truth.mean(dim=0)))
    return Quality(tuple(layers), recording.n_positions, median(scales), median(scaled))


def _layer_quality(encoding: TranscoderEncoding, layer: int, fvu: float) -> LayerQuality:
    features = encoding.active(layer)
    index = features.index[features.position > 0]
    n_features = encoding.dictionary.transcoders.layers[layer].n_features
    return LayerQuality(
        layer=layer,
        fvu=fvu,
        l0=len(index) / (encoding.recording.n_positions - 1),
        dead=1 - len(index.unique()) / n_features,
    )


def _unexplained(truth: Float[Tensor, "position d_model"], guess: Float[Tensor, "position d_model"]) -> float:
    return float((truth - guess).square().sum() / _centred(truth).square().sum())


def _best_scale(truth: Float[Tensor, "position d_model"], guess: Float[Tensor, "position d_model"]) -> float:
    guess = _centred(guess)
    power = guess.square().sum()
    return float((guess * _centred(truth)).sum() / power) if power > 0 else 0.0


def _centred(values: Float[Tensor, "position d_model"]) -> Float[Tensor, "position d_model"]:
    return values - values.mean(dim=0)


def _likely_cause(dictionary: TranscoderDictionary, recording: Recording, quality: Quality) -> str:
    """What would fit better, found by trying every other read and write point."""
    found = []
    for read, write in product(ReadPoint, WritePoint):
        moved = replace(dictionary.transcoders, read_point=read, write_point=write)
        found.append((_quality(replace(dictionary, transcoders=moved), recording).fvu, read, write))
    fvu, read, write = min(found, key=lambda entry: entry[0])
    if fvu <= 0.9:
        return (
            f"Reading {_described(read)} and writing {_described(write)} would leave {fvu:.2f}: load it with "
            f"--read-point {read.option} --write-point {write.option} (read_point and write_point in Python)."
        )
    if quality.scaled_fvu <= 0.9:
        return (
            f"Its scale is wrong: multiplied by {quality.best_scale:.3g} it would leave "
            f"{quality.scaled_fvu:.2f}; the inputs or outputs were probably normalised in training."
        )
    return (
        f"No other read or write point fits better (the best leaves {fvu:.2f}), so it was probably trained "
        "on another model, or another version of this one."
    )


def _described(point: ReadPoint | WritePoint) -> str:
    return f"{point.value} ({point.option})"


def weak_layers(quality: Quality) -> Sequence[int]:
    """Layers whose transcoder explains less than nothing."""
    return [layer.layer for layer in quality.layers if layer.fvu > 1]
