"""Transcoders that do not fit their model: the likely cause first, and the remedy.

`clew.dictionary.misfits` undoes one possible mistake after the other and measures what each would give.
"""

from __future__ import annotations

import torch

from clew.dictionary.built_in_texts import TEXT
from clew.dictionary.misfits.likely_cause import likely_cause
from clew.dictionary.misfits.misfit import Cause
from clew.dictionary.quality import Quality, measure_quality, text_windows
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_dictionary import TranscoderDictionary, names_another_model
from clew.errors import ClewError
from clew.model.recording import record

WINDOWS = 2
"""Windows of a text on which causes are tried."""
WEAK = 0.5
"""The FVU above which a cause is looked for, though the dictionary explains something."""


@torch.no_grad()
def check_quality(dictionary: TranscoderDictionary) -> Quality:
    """Measure the quality, and raise `ClewError` with the likely cause if the median FVU is above 1."""
    quality = measure_quality(dictionary)
    if not quality.fvu <= 1:  # NaN too
        raise ClewError(
            f"{misfit(dictionary, quality)} To trace with it all the same, pass --no-check "
            "(check=False in Python)."
        )
    return quality


@torch.no_grad()
def misfit(dictionary: TranscoderDictionary, quality: Quality, text: str = TEXT) -> str:
    """Sentences about a dictionary whose median FVU on a text is above 1.

    The first one says what most likely went wrong, and what to do.
    """
    transcoders = dictionary.transcoders
    cause = _cause(dictionary, quality, text) or _another_model(dictionary)
    return (
        f"{dictionary.name} does not fit {dictionary.model.name}: {cause.sentence} As it is, its fraction of "
        f"variance unexplained (FVU) is {quality.fvu:.3g}, which is worse than the mean alone. It reads "
        f"{described(transcoders.read_point)} and writes {described(transcoders.write_point)}."
    )


@torch.no_grad()
def suspicion(dictionary: TranscoderDictionary, quality: Quality, text: str = TEXT) -> str:
    """A sentence about a weak dictionary whose FVU one change would halve; "" for any other."""
    if not WEAK < quality.fvu <= 1:
        return ""
    cause = _cause(dictionary, quality, text)
    if cause is None or cause.fvu > quality.fvu / 2:
        return ""
    return f"{dictionary.name} explains little of {dictionary.model.name}: {cause.sentence}"


def _cause(dictionary: TranscoderDictionary, quality: Quality, text: str) -> Cause | None:
    windows = text_windows(dictionary, text)[:WINDOWS]
    recordings = [record(dictionary.model, window) for window in windows]
    return likely_cause(dictionary, recordings, quality)


def described(point: ReadPoint | WritePoint) -> str:
    return f"{point.value} ({point.option})"


def _another_model(dictionary: TranscoderDictionary) -> Cause:
    """The cause that is left where no change makes a set fit."""
    transcoders = dictionary.transcoders
    named = f", as its files say ({transcoders.trained_on})" if transcoders.trained_on else ""
    if not names_another_model(transcoders, dictionary.model):
        named = " or another version of this one"
    return Cause(
        f"it was probably trained on another model{named}; name the right model. No other read or write "
        "point, scale, bias, layer or number of active features makes it fit.",
        1.0,
    )
