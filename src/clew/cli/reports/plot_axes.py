"""Axes of plots: where a value lies, from 0 to 1, and what stands beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

DECADES = 8
"""At most so many below the largest value; what is smaller, or zero, lies on the edge."""
SIGNED_DECADES = 3
"""So many on either side of zero; what is smaller lies on a straight line through it."""


class Axis(Protocol):
    """Maps values to shares of the axis."""

    def share(self, value: float) -> float: ...

    @property
    def ticks(self) -> Sequence[tuple[float, str]]:
        """Values with their spelling."""
        ...


@dataclass(frozen=True)
class LogAxis:
    """Powers of ten between two whole exponents, for values above zero."""

    low: int
    high: int

    @staticmethod
    def over(values: Sequence[float]) -> LogAxis:
        positive = [value for value in values if value > 0 and math.isfinite(value)]
        if not positive:
            return LogAxis(-1, 0)
        high = math.ceil(math.log10(max(positive)))
        low = min(math.floor(math.log10(min(positive))), high - 1)
        return LogAxis(max(low, high - DECADES), high)

    def share(self, value: float) -> float:
        if value <= 0:
            return 0.0
        return min(max((math.log10(value) - self.low) / (self.high - self.low), 0.0), 1.0)

    @property
    def ticks(self) -> Sequence[tuple[float, str]]:
        step = 1 if self.high - self.low <= 5 else 2
        return [(10.0**power, _power(power)) for power in range(self.low, self.high + 1, step)]


@dataclass(frozen=True)
class SignedLogAxis:
    """Powers of ten on either side of zero, up to 10 to the power of `high`."""

    high: int

    @staticmethod
    def over(values: Sequence[float]) -> SignedLogAxis:
        sizes = [abs(value) for value in values if value and math.isfinite(value)]
        return SignedLogAxis(math.ceil(math.log10(max(sizes))) if sizes else 0)

    def share(self, value: float) -> float:
        relative = abs(value) / 10.0 ** (self.high - SIGNED_DECADES)
        size = relative if relative < 1 else 1 + math.log10(relative)
        return 0.5 + math.copysign(0.5, value) * min(size / (1 + SIGNED_DECADES), 1.0)

    @property
    def ticks(self) -> Sequence[tuple[float, str]]:
        powers = range(self.high - SIGNED_DECADES, self.high + 1)
        above = [(10.0**power, _power(power)) for power in powers]
        below = [(-value, f"-{text}") for value, text in above]
        return [*below[::-1], (0.0, "0"), *above]


@dataclass(frozen=True)
class LinearAxis:
    """From one value to another, with some ticks."""

    low: float
    high: float
    at: tuple[float, ...]

    def share(self, value: float) -> float:
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    @property
    def ticks(self) -> Sequence[tuple[float, str]]:
        return [(value, f"{value:g}") for value in self.at]


def _power(exponent: int) -> str:
    return f"{10.0**exponent:g}" if -3 <= exponent <= 3 else f"1e{exponent}"
