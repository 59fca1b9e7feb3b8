"""The conservation gap: rows add up, and a number that is not finite is an infinite gap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clew.graph.conservation import conservation_gap, has_row
from clew.graph.graph import Graph
from clew.graph.influence import row_sums
from tests.graph.random_graphs import random_graph


def adding_up(seed: int = 0) -> Graph:
    """A graph whose rows add up."""
    graph = random_graph(seed=seed)
    rows, sums = has_row(graph), row_sums(graph.edge_weight, graph.edge_offset)
    return replace(
        graph,
        node_constant=np.where(rows, 0.25, np.nan).astype(np.float32),
        node_total=np.where(rows, sums + 0.25, np.nan).astype(np.float32),
    )


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_add_up_have_no_gap(seed: int):
    assert conservation_gap(adding_up(seed)) < 1e-4


def test_the_gap_is_that_of_the_worst_row():
    graph = adding_up()
    assert graph.node_total is not None
    total = graph.node_total.copy()
    total[-1] *= 2
    assert conservation_gap(replace(graph, node_total=total)) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("array", ["edge_weight", "node_constant", "node_total"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_an_infinite_gap(array: str, value: float):
    graph = adding_up()
    for place in (0, -1):
        changed = getattr(graph, array).copy()
        changed[place] = value
        assert conservation_gap(replace(graph, **{array: changed})) == np.inf
