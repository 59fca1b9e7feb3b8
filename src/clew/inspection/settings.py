"""Settings of inspecting a dictionary; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge


@dataclass(frozen=True, kw_only=True)
class InspectSettings:
    """Graphs that a dictionary is judged by, besides a text."""

    graphs: Annotated[int, Ge(0)] = 3
    """Prompts that are traced with the dictionary and with the model's neurons; 0 for none."""
    max_nodes: Annotated[int, Ge(1)] = 4096
    """Features that become nodes of such a graph."""
