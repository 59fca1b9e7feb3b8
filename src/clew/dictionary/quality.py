"""The quality of transcoders: their reconstruction of a model's MLP outputs on a text.

A wrong read point, a wrong scale or another model's weights raise no error by themselves. They show in the
fraction of variance unexplained (FVU).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isnan, nan
from statistics import fmean, median
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.dictionary.built_in_texts import TEXT, longer_text
from clew.dictionary.layer_numbers import layers_named
from clew.dictionary.protocols import ActiveFeatures
from clew.dictionary.read_write_points import write_values
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.errors import ClewError
from clew.model.finite import all_finite
from clew.model.prompt import usual_front
from clew.model.recording import Recording, record
from clew.model.template import encode_text

WINDOW, MOST_WINDOWS = 256, 16
"""The tokens of a window, and the largest number of windows."""


@dataclass(frozen=True)
class LayerQuality:
    """One layer's transcoder on one text."""

    layer: int
    fvu: float
    """Fraction of the variance of the MLP's output (over positions but the first) left unexplained."""
    l0: float
    """The mean number of active features at a position."""
    dead: float
    """The share of the layer's features that are never active in the text."""
    counts: Int[Tensor, " feature"] = field(default_factory=lambda: torch.zeros(0), repr=False, compare=False)
    """Positions at which each feature is active."""


@dataclass(frozen=True)
class Quality:
    """The quality of a dictionary on one text, without the first position, which is an attention sink."""

    layers: tuple[LayerQuality, ...]
    n_positions: int
    """Positions that count: all but the first of each window."""
    best_scale: float
    """The factor of the reconstruction that explains most: median over layers."""
    scaled_fvu: float
    """The median FVU with every layer multiplied by its best scale."""
    scales_agree: bool = False
    """True if most layers have the same best scale, within a factor of two."""

    @property
    def fvu(self) -> float:
        """The median over layers, so that one odd layer does not hide the others."""
        values = [layer.fvu for layer in self.layers]
        return nan if any(map(isnan, values)) else median(values)

    @property
    def l0(self) -> float:
        return fmean(layer.l0 for layer in self.layers)

    @property
    def dead(self) -> float:
        return fmean(layer.dead for layer in self.layers)

    @property
    def weak_layers(self) -> tuple[int, ...]:
        """Layers whose reconstruction is worse than the mean (FVU above 1), or has no FVU."""
        return tuple(layer.layer for layer in self.layers if not layer.fvu <= 1)

    @property
    def facts(self) -> dict[str, Any]:
        """The figures that a graph stores, ready for JSON."""
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
def measure_quality(dictionary: TranscoderDictionary, text: str = TEXT, sink: str | None = None) -> Quality:
    """Compare the reconstruction of every MLP output with the MLP's own.

    Args:
        dictionary: The transcoders, bound to a model.
        text: The text to run the model on; its first 4,096 tokens count, in windows of 256, each behind the
            token that also comes in front of prompts.
        sink: This token's text, `id:7`, `bos` or `none`; by default the one that the dictionary was trained
            behind, if its files say it, else the model's.

    Raises:
        ClewError: The text has fewer than three different tokens.
    """
    windows = text_windows(dictionary, text, sink)
    return quality_on(dictionary, (record(dictionary.model, window) for window in windows))


def text_windows(
    dictionary: TranscoderDictionary, text: str = TEXT, sink: str | None = None
) -> list[Int[Tensor, " position"]]:
    """The token ids of a text in windows of at most `WINDOW` tokens and the context, each behind the sink."""
    model = dictionary.model
    ids = encode_text(model, text, "The text to measure a dictionary on").bare
    if len(set(ids)) < 3 and text not in (TEXT, longer_text()):
        raise ClewError(
            f"A dictionary cannot be measured on {len(ids)} tokens with {len(set(ids))} different ones; "
            "pass a text of a few sentences."
        )
    if len(set(ids)) < 3:  # the tokenizer does not have these words
        vocabulary = len(model.unembedding_weight)
        ids = torch.randint(vocabulary, (WINDOW,), generator=torch.Generator().manual_seed(0)).tolist()
    front = usual_front(model, dictionary.sink, sink)
    room = max(1, min(WINDOW, model.context_length) - len(front))
    windows = [torch.tensor([*front, *ids[begin : begin + room]]) for begin in range(0, len(ids), room)]
    return [window for window in windows if len(window) > 2][:MOST_WINDOWS]


def quality_on(dictionary: TranscoderDictionary, recordings: Iterable[Recording]) -> Quality:
    """The quality of a dictionary on recordings."""
    parts = dictionary.transcoders.layers
    sums = {layer: _Sums(parts[layer].n_features, dictionary.model.d_model) for layer in sorted(parts)}
    n_positions = 0
    for recording in recordings:
        n_positions += recording.n_positions - 1
        encoding = dictionary.encode(recording)
        written = encoding.reconstructions()
        for layer, layer_sums in sums.items():
            point = dictionary.transcoders.write_point
            guess = write_values(dictionary.model, recording, point, layer, written[layer])
            if not all_finite(guess):
                raise ClewError(
                    f"What {dictionary.name} writes at layer {layer} is not finite: its weights are too "
                    "large for float32, or damaged; fetch or save its files again."
                )
            layer_sums.add(recording.mlp_write[layer, 1:], guess[1:], encoding.active(layer))
    layers = [
        LayerQuality(
            layer, each.fvu, each.n_active / each.count, float((each.counts == 0).float().mean()), each.counts
        )
        for layer, each in sums.items()
    ]
    return Quality(
        layers=tuple(layers),
        n_positions=n_positions,
        best_scale=median(each.best_scale for each in sums.values()),
        scaled_fvu=median(each.scaled_fvu for each in sums.values()),
        scales_agree=_agree([each.best_scale for each in sums.values()]),
    )


def _agree(scales: list[float]) -> bool:
    middle = median(scales)
    return middle > 0 and sum(middle / 2 <= scale <= 2 * middle for scale in scales) > 0.7 * len(scales)


class _Sums:
    """Sums over all windows that give one layer's quality, so that no window stays in memory."""

    def __init__(self, n_features: int, d_model: int) -> None:
        self.count, self.n_active = 0, 0
        self.counts = torch.zeros(n_features, dtype=torch.int64)
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
        self.counts += torch.bincount(index, minlength=len(self.counts))
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
