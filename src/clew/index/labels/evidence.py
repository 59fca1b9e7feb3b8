"""What a label is made from, and what it is tested on: texts on which a feature is active, and others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

SHOWN = 8
"""Texts from which a label is made."""
HELD_OUT = 5
"""At most so many active texts, and as many others, test it."""
EVERY = 3
"""Of the texts by strength, each third is held out."""
WEAKEST = 0.2
"""Texts whose peak is a smaller share of the strongest one are left out: hardly active is not active."""
BEFORE, AFTER = 24, 8
"""Tokens of a text around its peak."""


@dataclass(frozen=True)
class Window:
    """A text and the feature's activation on each token, turned so that the labelled side is positive."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    @property
    def peak(self) -> float:
        return max(self.activations, default=0.0)

    @property
    def peak_at(self) -> int:
        """The place of the strongest token; -1 for a text without tokens."""
        return max(range(len(self.tokens)), key=lambda at: self.activations[at], default=-1)

    @property
    def peak_token(self) -> str:
        return self.tokens[self.peak_at] if self.tokens else ""


@dataclass(frozen=True)
class Evidence:
    """One side of a feature: what it is active on, and what it then promotes."""

    layer: int
    feature: int
    negative: bool
    """Whether it is about negative activations, which a neuron may have."""
    shown: tuple[Window, ...]
    held_out: tuple[Window, ...]
    others: tuple[Window, ...]
    """As many texts on which it is not known to be active."""
    promotes: tuple[str, ...]
    """Output tokens, the strongest first."""
    peaks: tuple[tuple[str, float], ...] = ()
    """Tokens on which it peaks, with their shares of a sample of all texts; empty where none was drawn."""
    late: bool = True
    """Whether it is in the upper half of the layers, where output tokens say most."""

    @property
    def name(self) -> str:
        return f"L{self.layer}/{self.feature}"


def gather(
    layer: int,
    feature: int,
    windows: Iterable[Window],
    others: Sequence[Window] | None,
    promotes: Iterable[str] = (),
    *,
    negative: bool = False,
) -> Evidence:
    """Texts sorted into those shown and those held out, the same ones every time; no text is in both.

    Where fewer than `EVERY` differ, none is held out. `others` are None where nothing will be tested.
    """
    active = _distinct(sorted(windows, key=lambda window: -window.peak))
    strong = [window for window in active if window.peak > 0 and window.peak >= WEAKEST * active[0].peak]
    held_out = [clipped(window, window.peak_at) for window in strong[EVERY - 1 :: EVERY]][:HELD_OUT]
    shown = [clipped(window, window.peak_at) for at, window in enumerate(strong) if at % EVERY != EVERY - 1]
    chosen: list[Window] = []
    if others is not None:
        known = {window.text for window in active}
        unknown = [window for window in others if window.tokens and window.text not in known]
        lengths = [len(window.tokens) for window in held_out]
        chosen = _drawn(unknown, lengths, Random(f"{layer}/{feature}"))
        held_out = held_out[: len(chosen)]
    return Evidence(
        layer,
        feature,
        negative,
        shown=tuple(shown[:SHOWN]),
        held_out=tuple(held_out),
        others=tuple(chosen),
        promotes=tuple(promotes),
    )


def _drawn(windows: Sequence[Window], lengths: Sequence[int], random: Random) -> list[Window]:
    """A piece of so many tokens each, from different windows, as far as there are enough."""
    chosen = random.sample(windows, min(len(lengths), len(windows)))
    return [
        clipped(window, random.randrange(len(window.tokens)), length)
        for window, length in zip(chosen, lengths, strict=False)
    ]


def clipped(window: Window, at: int, length: int = BEFORE + 1 + AFTER) -> Window:
    """So many tokens around one of them; near an end more of the other side, so that lengths tell nothing."""
    first = max(0, min(at - BEFORE, len(window.tokens) - length))
    return Window(window.tokens[first : first + length], window.activations[first : first + length])


def _distinct(windows: Iterable[Window]) -> list[Window]:
    """Each text once, whatever its spaces and capitals: a copy of a shown text would test nothing."""
    found: dict[str, Window] = {}
    for window in windows:
        found.setdefault(" ".join(window.text.lower().split()), window)
    return list(found.values())
