"""The content that an index should have, from all activations of all windows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from clew.dictionary.protocols import Dictionary
from clew.index.creation.statistics import (
    CONTEXT,
    GRID,
    LEVEL_SALT,
    LEVELS,
    SAMPLE_SALT,
    SAMPLED,
    SHOWN,
    hashed_share,
)
from clew.index.creation.windows import Batch, read_activations
from clew.index.storage.histogram import ZERO, bin_of
from clew.model.language_model import LanguageModel


@dataclass(frozen=True)
class Peak:
    """The strongest position of one window for one feature."""

    window: int
    position: int
    activation: np.float32
    context: tuple[int, ...]
    token: int


@dataclass(frozen=True)
class Everything:
    """All windows of a text, and each layer's activations on them, the sink left out."""

    first: int
    windows: dict[int, np.ndarray]
    activations: dict[tuple[int, int], np.ndarray]
    """By window and layer: `[position, feature]`."""

    def values(self, layer: int, feature: int) -> np.ndarray:
        """The feature's activations at all positions."""
        return np.concatenate(
            [self.activations[window, layer][:, feature] for window in sorted(self.windows)]
        )

    def peaks(self, layer: int, feature: int, sign: int = 1) -> list[Peak]:
        """One for each window in which it is above zero, times `sign`; the strongest first."""
        found = []
        for window, ids in self.windows.items():
            along = self.activations[window, layer][:, feature]
            place = int((sign * along).argmax())
            if sign * along[place] > 0:
                position = place + self.first
                context = tuple(ids[max(self.first, position - CONTEXT + 1) : position + 1].tolist())
                found.append(Peak(window, position, along[place], context, int(ids[position])))
        return sorted(found, key=lambda peak: (-sign * peak.activation, peak.window))

    def top(self, layer: int, feature: int, sign: int = 1) -> list[Peak]:
        """The strongest windows, each context once."""
        best: dict[tuple[int, ...], Peak] = {}
        for peak in self.peaks(layer, feature, sign):
            best.setdefault(peak.context, peak)
        return list(best.values())[:SHOWN]

    def strongest_tokens(self, layer: int, feature: int, sign: int = 1) -> dict[int, np.float32]:
        best: dict[int, np.float32] = {}
        for peak in self.peaks(layer, feature, sign):
            best.setdefault(peak.token, peak.activation)
        return dict(list(best.items())[:SHOWN])

    def levels(self, layer: int, feature: int, feature_id: int, sign: int = 1) -> list[Peak]:
        """The window with the highest hash of each half octave, down from the strongest."""
        by_level: dict[int, list[tuple[float, Peak]]] = {}
        for peak in self.peaks(layer, feature, sign):
            level = int(bin_of(np.array([sign * peak.activation]))[0]) - ZERO
            by_level.setdefault(level, []).append((chance(peak.window, feature_id, LEVEL_SALT), peak))
        highest = max(by_level, default=0)
        return [
            max(by_level[level], key=lambda entry: entry[0])[1]
            for level in sorted(by_level, reverse=True)
            if level > highest - LEVELS
        ]

    def drawn(self, layer: int, feature: int, feature_id: int, sign: int = 1) -> list[int]:
        """Tokens at peaks of windows drawn by their peak squared."""
        keyed = [
            (float(peak.activation) ** 2 / -np.log(chance(peak.window, feature_id, SAMPLE_SALT)), peak.token)
            for peak in self.peaks(layer, feature, sign)
        ]
        return [token for _, token in sorted(keyed, reverse=True)[:SAMPLED]]


def chance(window: int, feature_id: int, salt: int) -> float:
    return float(hashed_share(torch.tensor(window), torch.tensor(feature_id), salt))


def sum_in_steps(values: np.ndarray) -> float:
    return round(float(values.astype(np.float64).sum()) * GRID) / GRID


def everything(model: LanguageModel, dictionary: Dictionary, batches: list[Batch], first: int) -> Everything:
    """Keeps it all; only for texts that are short."""
    windows: dict[int, np.ndarray] = {}
    found: dict[tuple[int, int], np.ndarray] = {}
    for batch in batches:

        def keep(layer: int, activation: torch.Tensor, batch: Batch = batch) -> None:
            for row, window in enumerate(batch.window_ids.tolist()):
                inside = activation[row, first : batch.lengths[row]]
                found[window, layer] = inside.numpy().copy()

        read_activations(model, dictionary, torch.from_numpy(batch.token_ids).long(), keep)
        for ids, window, length in zip(
            batch.token_ids, batch.window_ids.tolist(), batch.lengths, strict=True
        ):
            windows[window] = ids[:length]
    return Everything(first, windows, found)
