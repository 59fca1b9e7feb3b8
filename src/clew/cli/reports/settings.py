"""The settings of a report; nothing here needs rich."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """Sizes of the parts of a report; 0 leaves a part out."""

    groups: Annotated[int, Ge(0)] = 12
    """Groups that sum the graph up."""
    top: Annotated[int, Ge(0)] = 15
    """Features to list, the most influential ones."""
    paths: Annotated[int, Ge(0)] = 8
    """Paths to list, the strongest ones."""
    examples: Annotated[int, Ge(0)] = 2
    """Texts to print for each of the first five features."""
