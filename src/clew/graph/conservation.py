"""Conservation: the edges of each row add up to the value that the row explains."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from clew.errors import ClewError
from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import row_sums

LARGEST_GAP = 1e-3
"""Largest relative gap of a graph that can be relied on."""

NEARLY_NOTHING = 0.01
"""A total below this share of its terms' magnitudes counts as this share, because rounding dominates it."""


def conservation_gap(graph: GraphArrays) -> float:
    """The largest gap between a row's sum (edges plus constant) and its total, relative to the total.

    A total that nearly cancels counts as `NEARLY_NOTHING` of its terms' magnitudes, because a float32 sum
    cannot resolve it. A row with a number that is not finite has an infinite gap. Raises `ClewError` for a
    pruned or imported graph, whose rows lack edges.
    """
    if graph.node_constant is None or graph.node_total is None:
        raise ClewError(
            "This graph was pruned or imported, so its rows lack edges; check the whole graph as traced."
        )
    rows = np.flatnonzero(has_row(graph))
    constant, total = graph.node_constant[rows].astype(np.float64), graph.node_total[rows].astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinities cancel to NaN
        gap = np.abs(row_sums(graph.edge_weight, graph.edge_offset)[rows] + constant - total)
        magnitude = row_sums(np.abs(graph.edge_weight), graph.edge_offset)[rows] + np.abs(constant)
        against = np.maximum(np.abs(total), NEARLY_NOTHING * magnitude)
        relative = np.divide(gap, against, out=np.where(gap > 0, np.inf, 0.0), where=against != 0)
    return float(np.where(np.isfinite(gap), relative, np.inf).max(initial=0.0))


def has_row(graph: GraphArrays) -> Bool[np.ndarray, " node"]:
    """True for nodes whose value a row of edges explains: features and targets."""
    return (graph.node_kind == NodeKind.FEATURE) | (graph.node_kind == NodeKind.TARGET)
