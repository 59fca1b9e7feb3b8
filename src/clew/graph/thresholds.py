"""The thresholds of pruning, and their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clew.options import Share, options_of


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Shares of a graph that pruning keeps (Ameisen et al. 2025)."""

    node_threshold: Share = 0.8
    """Share of the influence that kept nodes carry."""
    edge_threshold: Share = 0.98
    """Share of the influence between kept nodes that kept edges carry."""


def stored_thresholds(settings: Mapping[str, Any]) -> Thresholds:
    """The thresholds in a graph's settings, or else the recommended ones."""
    options = options_of(Thresholds).values()
    return Thresholds(
        **{each.name: settings[each.name] for each in options if each.allows(settings.get(each.name))}
    )
