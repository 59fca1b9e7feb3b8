"""The thresholds of pruning, and their defaults."""

from __future__ import annotations

from dataclasses import dataclass

from clew.options import Share


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Shares of a graph that pruning keeps (Ameisen et al. 2025)."""

    node_threshold: Share = 0.8
    """Share of the influence that kept nodes carry."""
    edge_threshold: Share = 0.98
    """Share of the influence between kept nodes that kept edges carry."""
