"""The proof that a graph's edges add up: each row against the value that it explains."""

from __future__ import annotations

import numpy as np

from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.graph.influence import row_sums

LARGEST_GAP = 1e-3
"""Beyond this relative gap the rows do not add up, and the graph should not be relied on."""


def conservation_gap(graph: Graph) -> float:
    """The worst relative gap between a row's edges plus its constant and the row's total.

    Needs a whole graph: raises `ClewError` for a pruned or imported one, whose rows are not complete.
    """
    if graph.node_constant is None or graph.node_total is None:
        raise ClewError(
            "Only a whole graph adds up; this one was pruned or imported, so rows are missing edges."
        )
    rows = np.flatnonzero(np.isfinite(graph.node_total))
    found = row_sums(graph.edge_weight, graph.edge_offset)[rows] + graph.node_constant[rows]
    total = graph.node_total[rows].astype(np.float64)
    gap = np.abs(found - total)
    relative = np.divide(gap, np.abs(total), out=np.where(gap > 0, np.inf, 0.0), where=total != 0)
    return float(relative.max(initial=0.0))
