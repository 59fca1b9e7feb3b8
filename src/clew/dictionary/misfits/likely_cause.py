"""The likely cause of a misfit between transcoders and a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from clew.dictionary.misfits.misfit import FITS, Cause, Misfit
from clew.dictionary.misfits.places import autoencoder, layers, points
from clew.dictionary.misfits.weights import (
    activations,
    biases,
    input_scale,
    matrices,
    output_scale,
    rows,
)
from clew.dictionary.quality import Quality
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.dictionary.weights import HeldWeights
from clew.model.recording import Recording

TRIALS = (points, biases, output_scale, input_scale, layers, matrices, activations, rows, autoencoder)
"""The trials, from the most usual mistake to the rarest."""
LAYERS = 8
"""Layers of a per-layer set that are tried."""


def likely_cause(
    dictionary: TranscoderDictionary, recordings: Sequence[Recording], quality: Quality
) -> Cause | None:
    """The cause whose removal explains most; of two that explain about the same, the more usual one.

    None if nothing makes the set fit.
    """
    misfit = Misfit(_some_layers(dictionary), recordings, quality)
    causes = [cause for trial in TRIALS for cause in trial(misfit) if cause.fvu <= FITS]
    best = min((cause.fvu for cause in causes), default=1.0)
    return next((cause for cause in causes if cause.fvu <= 1.1 * best + 0.01), None)


def _some_layers(dictionary: TranscoderDictionary) -> TranscoderDictionary:
    """Layers to try, with encoders in memory; a cross-layer set only works as a whole."""
    own = dictionary.transcoders
    numbers = sorted(own.layers)
    if not own.crosses_layers:
        numbers = numbers[:: ceil(len(numbers) / LAYERS)]
    layers = {number: own.layers[number] for number in numbers}
    if not dictionary.low_memory:
        layers = {
            number: replace(part, encoder=HeldWeights(dictionary.encoder(number)))
            for number, part in layers.items()
        }
    return replace(dictionary, transcoders=replace(own, layers=layers))
