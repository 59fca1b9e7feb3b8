"""Transcoders that do not fit their model: the likely cause, and the remedy.

The cause is found by trying every other read and write point, and the best scale.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import torch
from jaxtyping import Int
from torch import Tensor

from clew.dictionary.activation import TopK
from clew.dictionary.quality import TEXT, Quality, measure_quality, quality_on, text_windows
from clew.dictionary.read_write_points import Point, ReadPoint, WritePoint
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError
from clew.options import option_name

PLAIN = 0.75
"""The largest scaled FVU for which the scale counts as the cause; shrinking any dictionary helps a little."""


@torch.no_grad()
def check_quality(dictionary: TranscoderDictionary) -> Quality:
    """Measure the quality, and raise `ClewError` with the likely cause if the median FVU is above 1."""
    quality = measure_quality(dictionary)
    if quality.fvu > 1:
        raise ClewError(
            f"{misfit(dictionary, quality)} To trace with it all the same, pass --no-check "
            "(check=False in Python)."
        )
    return quality


@torch.no_grad()
def misfit(dictionary: TranscoderDictionary, quality: Quality, text: str = TEXT) -> str:
    """Sentences about a dictionary whose median FVU on a text is above 1: the likely cause and the remedy."""
    reads, writes = dictionary.transcoders.read_point, dictionary.transcoders.write_point
    return (
        f"{dictionary.name} does not fit {dictionary.model.name}: its fraction of variance unexplained (FVU) "
        f"is {quality.fvu:.3g}, which is worse than the mean alone. It reads {_described(reads)} and writes "
        f"{_described(writes)}. {_likely_cause(dictionary, text_windows(dictionary, text), quality)}"
    )


def _likely_cause(
    dictionary: TranscoderDictionary, windows: list[Int[Tensor, " position"]], quality: Quality
) -> str:
    """A sentence about the read point, write point or scale that would fit better, or about another model."""
    trials, own = [], dictionary.transcoders
    # Two points can be the same place in this model; the set's own ones come first, so they win.
    for read, write in product(_own_first(own.read_point), _own_first(own.write_point)):
        moved = replace(own, read_point=read, write_point=write)
        trials.append((quality_on(replace(dictionary, transcoders=moved), windows).fvu, read, write))
    fvu, read, write = min(trials, key=lambda trial: trial[0])
    if fvu <= 0.9:
        return _better_points(own.read_point, own.write_point, read, write, fvu)
    if quality.scaled_fvu <= PLAIN and quality.scales_agree:
        return (
            f"Its scale is wrong: multiplied by {quality.best_scale:.3g}, its FVU would be "
            f"{quality.scaled_fvu:.3g}. The inputs or outputs were probably normalised in training; multiply "
            f"the decoders by {quality.best_scale:.3g} and save them."
        )
    return (
        f"No other read or write point fits (the best FVU is {fvu:.3g}). It was probably trained on another "
        f"model or another version of this one{_k_doubt(own)}; name the right model."
    )


def _better_points(
    own_read: ReadPoint, own_write: WritePoint, read: ReadPoint, write: WritePoint, fvu: float
) -> str:
    words, options = [], []
    if read is not own_read:
        words.append(f"reading {_described(read)}")
        options.append(option_name("read_point", read.option))
    if write is not own_write:
        words.append(f"writing {_described(write)}")
        options.append(option_name("write_point", write.option))
    text = " and ".join(words)
    return (
        f"{text[0].upper()}{text[1:]} would give an FVU of {fvu:.3g}; load it with {' and '.join(options)}."
    )


def _k_doubt(own: TranscoderSet) -> str:
    """The other possible mistake with a TopK: a wrong k."""
    ks = {part.activation.k for part in own.layers.values() if isinstance(part.activation, TopK)}
    return f", or with another k than {ks.pop()}" if ks else ""


def _own_first(own: Point) -> list[Point]:
    """All points of a kind; the set's own one comes first."""
    return [own, *(point for point in type(own) if point is not own)]


def _described(point: ReadPoint | WritePoint) -> str:
    return f"{point.value} ({point.option})"
