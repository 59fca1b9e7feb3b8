"""The proof that a graph's edges add up: each row against the value that it explains."""

from __future__ import annotations

import numpy as np

from clew.errors import ClewError
from clew.graph.arrays import GraphArrays
from clew.graph.influence import row_sums

LARGEST_GAP = 1e-3
"""Beyond this relative gap the rows do not add up, and the graph should not be relied on."""


NEARLY_NOTHING = 0.01
"""A value that is less than this share of the terms that made it carries their rounding, not its own."""


def conservation_gap(graph: GraphArrays) -> float:
    """The worst gap between a row's edges plus its constant and the row's total, relative to that total.

    A total that nearly cancels counts as `NEARLY_NOTHING` of the magnitudes that went into it: a feature
    may be active at any value above zero, which float32 sums of far larger terms cannot resolve.
    Needs a whole graph: raises `ClewError` for a pruned or imported one, whose rows are not complete.
    """
    if graph.node_constant is None or graph.node_total is None:
        raise ClewError(
            "Only a whole graph adds up; this one was pruned or imported, so rows are missing edges."
        )
    rows = np.flatnonzero(np.isfinite(graph.node_total))
    constant, total = graph.node_constant[rows].astype(np.float64), graph.node_total[rows].astype(np.float64)
    gap = np.abs(row_sums(graph.edge_weight, graph.edge_offset)[rows] + constant - total)
    magnitude = row_sums(np.abs(graph.edge_weight), graph.edge_offset)[rows] + np.abs(constant)
    against = np.maximum(np.abs(total), NEARLY_NOTHING * magnitude)
    relative = np.divide(gap, against, out=np.where(gap > 0, np.inf, 0.0), where=against != 0)
    return float(relative.max(initial=0.0))
