"""Numbers of layers for people, with runs as ranges."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby


def layers_named(layers: Iterable[int]) -> str:
    """`layer 3`, or `layers 0-4, 7`."""
    numbers = list(layers)
    return f"layer{'s' * (len(numbers) > 1)} {numbers_joined(numbers)}"


def numbers_joined(numbers: Iterable[int]) -> str:
    """`0-4, 7`: sorted whole numbers, with runs as ranges."""
    runs = []
    for _, run in groupby(enumerate(numbers), key=lambda entry: entry[1] - entry[0]):
        first, *rest = [number for _, number in run]
        runs.append(f"{first}-{rest[-1]}" if rest else str(first))
    return ", ".join(runs)
