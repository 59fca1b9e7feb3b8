"""Misfits of place: other points, other layers, and a set that reconstructs what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from statistics import median

import torch
from torch import Tensor

from clew.dictionary.misfits.misfit import FITS, Cause, Misfit, every_feature, own_first
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import TranscoderSet
from clew.model.recording import Recording
from clew.options import option_name

RECONSTRUCTS = 0.5
"""The largest FVU with which a set counts as an autoencoder of what it reads."""


def points(misfit: Misfit) -> Iterator[Cause]:
    own = misfit.own
    # Two points can be the same place in this model; the set's own ones come first, so they win.
    for read, write in product(own_first(own.read_point), own_first(own.write_point)):
        if (read, write) == (own.read_point, own.write_point):
            continue
        moved = replace(own, read_point=read, write_point=write)
        fvu = misfit.quality_of(moved).fvu
        yield Cause(_points_sentence(own, read, write, fvu), fvu)


def _points_sentence(own: TranscoderSet, read: ReadPoint, write: WritePoint, fvu: float) -> str:
    words, options = [], []
    if read is not own.read_point:
        words.append(f"reads {read.value} ({read.option})")
        options.append(option_name("read_point", read.option))
    if write is not own.write_point:
        words.append(f"writes {write.value} ({write.option})")
        options.append(option_name("write_point", write.option))
    return (
        f"most likely it {' and '.join(words)}, which would give an FVU of {fvu:.3g}; load it with "
        f"{' and '.join(options)}."
    )


def layers(misfit: Misfit) -> Iterator[Cause]:
    """Transcoders that fit other layers than those whose number they have."""
    own, n_layers = misfit.own, misfit.model.n_layers
    if own.crosses_layers or n_layers == 1:
        return
    fits: dict[int, tuple[float, int]] = {}
    for number, part in own.layers.items():
        trials = [
            (misfit.quality_of(replace(own, layers={layer: part})).fvu, layer) for layer in range(n_layers)
        ]
        fits[number] = min(trials)
    fvu = median(fvu for fvu, _ in fits.values())
    elsewhere = {number: layer for number, (_, layer) in fits.items() if layer != number}
    if fvu > FITS or 2 * len(elsewhere) <= len(fits):
        return
    examples = ", ".join(f"that of layer {number} fits layer {layer}" for number, layer in elsewhere.items())
    yield Cause(
        f"most likely its layers are mixed up: {examples} (its FVU would be {fvu:.3g}); correct the numbers "
        "of its files.",
        fvu,
    )


def autoencoder(misfit: Misfit) -> Iterator[Cause]:
    """A set that reconstructs what it reads."""
    own = misfit.own
    places: dict[str, Callable[[Recording, int], Tensor]] = {
        "the vectors that MLPs add to the stream": lambda each, layer: each.mlp_write[layer],
        "the stream behind a layer": lambda each, layer: each.residual_mid[layer] + each.mlp_write[layer],
        "the stream before MLPs": lambda each, layer: each.residual_mid[layer],
    }
    if own.crosses_layers:
        return
    trials = []
    for place, take in places.items():
        fvus = []
        for layer, part in own.layers.items():
            x = torch.cat([take(each, layer)[1:] for each in misfit.recordings])
            activation = misfit.dictionary.respond(layer, x)[1]
            decoder = part.decoder.spans(every_feature(part))[:, 0].to(x.device)
            bias = 0 if part.decoder_bias is None else part.decoder_bias.read().to(x.device)
            error = (activation @ decoder + bias - x).square().sum()
            fvus.append(float(error / (x - x.mean(dim=0)).square().sum().clamp(min=1e-30)))
        trials.append((median(fvus), place))
    fvu, place = min(trials)
    if fvu > RECONSTRUCTS:
        return
    yield Cause(
        f"it is an autoencoder: it reconstructs {place} from themselves (with an FVU of {fvu:.3g}) and "
        "replaces no MLP; name transcoders.",
        fvu,
    )
