"""How well transcoders stand in for the MLPs of a model, measured on a text.

A wrong read point, a wrong scale or another model's weights raise no error by themselves: they only
explain nothing, and this is where it shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby, product
from statistics import fmean, median
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.dictionary.activation import TopK
from clew.dictionary.protocols import ActiveFeatures
from clew.dictionary.read_write_points import Point, ReadPoint, WritePoint, write_values
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError
from clew.model.recording import record

TEXT = """\
The river rises in the hills above the town, and for most of the year it is shallow enough to cross on \
foot. In 1887, after three days of rain, it took the old bridge and two mills with it. "We heard it before \
we saw it," said the miller's wife. A new bridge was finished within eighteen months; it cost $12,400.

Water is made of two parts of hydrogen and one of oxygen. When it freezes it expands, which is why ice \
floats and pipes burst in winter. def area(radius): return 3.14159 * radius ** 2

Dear Maria, thank you for the books! Could you send me the address of your sister in Madrid? I would like to \
write to her before the end of June, if that is not too late. With love to all of you, Thomas"""
"""What dictionaries are tried on where the user names no text of their own."""


PLAIN = 0.75
"""A scale that leaves no more than this is the cause; shrinking anything explains a little more."""

WINDOW, MOST_WINDOWS = 256, 16
"""Tokens that are read together, and how many times so many of a long text."""


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
    scales_agree: bool = False
    """Whether most layers ask for the same scale, within a factor of two."""

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

    @property
    def weak_layers(self) -> tuple[int, ...]:
        """Layers whose transcoder explains less than nothing: the mean alone would do better."""
        return tuple(layer.layer for layer in self.layers if layer.fvu > 1)

    @property
    def facts(self) -> dict[str, Any]:
        """What a graph remembers of it, ready for JSON."""
        return {
            "fvu": self.fvu,
            "l0": self.l0,
            "dead": self.dead,
            "positions": self.n_positions,
            "weak_layers": list(self.weak_layers),
        }

    def __str__(self) -> str:
        median_of = f" (median of {len(self.layers)} layers)" if len(self.layers) > 1 else ""
        weak = f"; worse than the mean in {layers_named(self.weak_layers)}" if self.weak_layers else ""
        dead = f"{self.dead:.1%} of features never active in {self.n_positions:,} tokens"
        return f"FVU {self.fvu:.3g}{median_of}, L0 {self.l0:.1f}, {dead}{weak}"

    def __repr__(self) -> str:
        return f"Quality({self})"


@torch.no_grad()
def measure_quality(dictionary: TranscoderDictionary, text: str = TEXT) -> Quality:
    """Reconstruct every MLP output of a text and compare; a long text is read in windows.

    Of a very long text the beginning is read, `MOST_WINDOWS` windows. Raises `ClewError` for a text of
    fewer than three different tokens.
    """
    return _quality(dictionary, text_windows(dictionary, text))


@torch.no_grad()
def check_quality(dictionary: TranscoderDictionary, text: str = TEXT) -> Quality:
    """Measure, and raise `ClewError` with the likely cause where most layers explain less than nothing."""
    quality = measure_quality(dictionary, text)
    if quality.fvu > 1:
        raise ClewError(
            f"{misfit(dictionary, quality, text)} To trace with it all the same: --no-check (check=False in "
            "Python)."
        )
    return quality


@torch.no_grad()
def misfit(dictionary: TranscoderDictionary, quality: Quality, text: str = TEXT) -> str:
    """Why a dictionary whose median FVU on a text is above 1 does not fit its model, and what would help."""
    reads, writes = dictionary.transcoders.read_point, dictionary.transcoders.write_point
    return (
        f"{dictionary.name} does not fit {dictionary.model.name}: the fraction of variance that it leaves "
        f"unexplained (FVU) is {quality.fvu:.3g}, more than if it wrote nothing but the mean, as it reads "
        f"{_described(reads)} and writes {_described(writes)}. "
        f"{_likely_cause(dictionary, text_windows(dictionary, text), quality)}"
    )


def layers_named(layers: Iterable[int]) -> str:
    """`layer 3`, or `layers 0-4, 7`."""
    numbers = list(layers)
    return f"layer{'s' * (len(numbers) > 1)} {numbers_joined(numbers)}"


def numbers_joined(numbers: Iterable[int]) -> str:
    """`0-4, 7`: runs of whole numbers (sorted) by their ends."""
    runs = []
    for _, run in groupby(enumerate(numbers), key=lambda entry: entry[1] - entry[0]):
        first, *rest = [number for _, number in run]
        runs.append(f"{first}-{rest[-1]}" if rest else str(first))
    return ", ".join(runs)


def text_windows(dictionary: TranscoderDictionary, text: str) -> list[Int[Tensor, " position"]]:
    """The token ids that a text is measured on, as many together as the model and `WINDOW` allow."""
    ids = dictionary.model.tokenizer.encode(text)
    if len(set(ids)) < 3 and text != TEXT:
        raise ClewError(
            f"A dictionary cannot be measured on {len(ids)} tokens of which {len(set(ids))} differ: give a "
            "text of a few sentences."
        )
    if len(set(ids)) < 3:  # a tokenizer that does not know these words
        vocabulary = len(dictionary.model.unembedding_weight)
        ids = torch.randint(vocabulary, (WINDOW,), generator=torch.Generator().manual_seed(0)).tolist()
    length = min(WINDOW, dictionary.model.context_length)
    windows = [torch.tensor(ids[begin : begin + length]) for begin in range(0, len(ids), length)]
    return [window for window in windows if len(window) > 2][:MOST_WINDOWS]


def _quality(dictionary: TranscoderDictionary, windows: list[Int[Tensor, " position"]]) -> Quality:
    parts = dictionary.transcoders.layers
    sums = {layer: _Sums(parts[layer].n_features, dictionary.model.d_model) for layer in sorted(parts)}
    for window in windows:
        recording = record(dictionary.model, window)
        encoding = dictionary.encode(recording)
        written = encoding.reconstructions()
        for layer, found in sums.items():
            point = dictionary.transcoders.write_point
            guess = write_values(dictionary.model, recording, point, layer, written[layer])
            found.add(recording.mlp_write[layer, 1:], guess[1:], encoding.active(layer))
    layers = [
        LayerQuality(layer, found.fvu, found.n_active / found.count, 1 - float(found.seen.float().mean()))
        for layer, found in sums.items()
    ]
    return Quality(
        layers=tuple(layers),
        n_positions=sum(map(len, windows)),
        best_scale=median(found.best_scale for found in sums.values()),
        scaled_fvu=median(found.scaled_fvu for found in sums.values()),
        scales_agree=_agree([found.best_scale for found in sums.values()]),
    )


def _agree(scales: list[float]) -> bool:
    middle = median(scales)
    return middle > 0 and sum(middle / 2 <= scale <= 2 * middle for scale in scales) > 0.7 * len(scales)


class _Sums:
    """What one layer's quality needs of every window, so that none has to be kept."""

    def __init__(self, n_features: int, d_model: int) -> None:
        self.count, self.n_active = 0, 0
        self.seen = torch.zeros(n_features, dtype=torch.bool)
        self.truth, self.guess = torch.zeros(2, d_model, dtype=torch.float64)
        self.truth_square = self.guess_square = self.product = 0.0

    def add(
        self,
        truth: Float[Tensor, "position d_model"],
        guess: Float[Tensor, "position d_model"],
        features: ActiveFeatures,
    ) -> None:
        index = features.index[features.position > 0].cpu()
        self.count += len(truth)
        self.n_active += len(index)
        self.seen[index] = True
        truth, guess = truth.double().cpu(), guess.double().cpu()
        self.truth += truth.sum(dim=0)
        self.guess += guess.sum(dim=0)
        self.truth_square += float(truth.square().sum())
        self.guess_square += float(guess.square().sum())
        self.product += float((truth * guess).sum())

    @property
    def fvu(self) -> float:
        error = self.truth_square - 2 * self.product + self.guess_square
        return error / self._variance

    @property
    def best_scale(self) -> float:
        power = self.guess_square - float(self.guess.square().sum()) / self.count
        return self._shared / power if power > 0 else 0.0

    @property
    def scaled_fvu(self) -> float:
        return 1 - self.best_scale * self._shared / self._variance

    @property
    def _shared(self) -> float:
        return self.product - float(self.truth @ self.guess) / self.count

    @property
    def _variance(self) -> float:
        return max(self.truth_square - float(self.truth.square().sum()) / self.count, 1e-30)


def _likely_cause(
    dictionary: TranscoderDictionary, windows: list[Int[Tensor, " position"]], quality: Quality
) -> str:
    """What would fit better, found by trying every other read and write point."""
    found, own = [], dictionary.transcoders
    # Where points are the same for this model, its own come first and win.
    for read, write in product(_first(own.read_point), _first(own.write_point)):
        moved = replace(own, read_point=read, write_point=write)
        found.append((_quality(replace(dictionary, transcoders=moved), windows).fvu, read, write))
    fvu, read, write = min(found, key=lambda entry: entry[0])
    if fvu <= 0.9:
        return _better_points(own.read_point, own.write_point, read, write, fvu)
    if quality.scaled_fvu <= PLAIN and quality.scales_agree:
        return (
            f"Its scale is wrong: multiplied by {quality.best_scale:.3g} it would leave "
            f"{quality.scaled_fvu:.3g}; the inputs or outputs were probably normalised in training. Multiply "
            "its decoders by that and save them."
        )
    return (
        f"No other read or write point fits (the best leaves {fvu:.3g}), so it was probably trained "
        f"on another model, or another version of this one{_doubt(own)}."
    )


def _better_points(
    own_read: ReadPoint, own_write: WritePoint, read: ReadPoint, write: WritePoint, fvu: float
) -> str:
    words, options = [], []
    if read is not own_read:
        words.append(f"reading {_described(read)}")
        options.append(f"--read-point {read.option}")
    if write is not own_write:
        words.append(f"writing {_described(write)}")
        options.append(f"--write-point {write.option}")
    text = " and ".join(words)
    return (
        f"{text[0].upper()}{text[1:]} would leave {fvu:.3g}: load it with {' '.join(options)} "
        "(read_point and write_point in Python)."
    )


def _doubt(own: TranscoderSet) -> str:
    """What else a user may have got wrong."""
    kept = {part.activation.k for part in own.layers.values() if isinstance(part.activation, TopK)}
    return f", or it keeps another number of features than {kept.pop()} a position (k)" if kept else ""


def _first(own: Point) -> list[Point]:
    """All points of a kind, beginning with one's own."""
    return [own, *(point for point in type(own) if point is not own)]


def _described(point: ReadPoint | WritePoint) -> str:
    return f"{point.value} ({point.option})"
