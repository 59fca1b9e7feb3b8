"""Settings of a saved dictionary; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le


@dataclass(frozen=True, kw_only=True)
class SaveSettings:
    """The number format of a saved dictionary's matrices."""

    bits: Annotated[int, Ge(2), Le(8)] | None = None
    """Round weights to so many bits, as packed integers (by default weights stay as they are)."""
    group: Annotated[int, Ge(1)] = 64
    """Neighbours in a row that share a scale, with fewer bits."""
    measure: bool = True
    """Measure what fewer bits cost, on the model."""
