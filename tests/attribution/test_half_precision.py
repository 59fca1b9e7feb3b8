"""The cost of bfloat16 and float16, against the same weights in float32.

Measured on 36 seeds of each tiny architecture (worst over all of them, bfloat16 / float16):

- the gap of any row, relative to the graph's largest value: 1.5e-2 / 2.3e-3
- the median error of a row, relative to its norm, in the median of the seeds: 1.2e-2 / 1.4e-3
- the error of an output's row: 6.1e-2 / 7.1e-3; 1.7e-1 / 1.0e-1 in mixtures of experts, where
  rounding may send a token to another expert

A gap relative to the row's own value knows no bound: a value may nearly cancel. A trace warns of that.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from clew.attribution.trace import GapWarning, TraceSettings, trace
from clew.graph.graph import Graph, NodeKind
from clew.model.language_model import LanguageModel
from tests.attribution.test_rows import dense_row, dictionary_for
from tests.tiny import CONFIG_BY_ARCHITECTURE, MIXTURES, random_ids, tiny_model

SEEDS = range(3)


@dataclass(frozen=True)
class Bounds:
    """About twice what was measured."""

    gap: float
    row: float
    output: float
    output_of_experts: float


BOUNDS = {torch.bfloat16: Bounds(3e-2, 2.5e-2, 0.12, 0.35), torch.float16: Bounds(5e-3, 3e-3, 0.015, 0.2)}


def traced(model: LanguageModel, architecture: str, seed: int) -> Graph:
    """A graph of all features, which are then the same nodes at any precision."""
    chosen = TraceSettings(targets=[3, 5, "w7 minus w9"], max_nodes=10**6, sink="none")
    return trace(model, dictionary_for(model, architecture), random_ids(9, seed).tolist(), chosen)


def node_keys(graph: Graph) -> list[tuple[int, ...]]:
    columns = (graph.node_kind, graph.node_layer, graph.node_position, graph.node_feature)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def row_errors(half: Graph, full: Graph) -> tuple[np.ndarray, np.ndarray]:
    """Errors of every row that both have, and of the outputs' rows among them, relative to the row's norm."""
    place = {key: node for node, key in enumerate(node_keys(full))}
    there = np.array([place.get(key, -1) for key in node_keys(half)])
    common = there >= 0
    assert half.node_total is not None
    rows = np.flatnonzero(np.isfinite(half.node_total) & common)
    errors = []
    for node in rows.tolist():
        expected = dense_row(full, int(there[node]))[there[common]]
        found = dense_row(half, node)[common]
        errors.append(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    is_output = half.node_kind[rows] == NodeKind.TARGET
    return np.array(errors), np.array(errors)[is_output]


def worst_gap(graph: Graph) -> float:
    """The worst gap relative to the graph's largest value."""
    assert graph.node_total is not None
    assert graph.node_constant is not None
    rows = np.flatnonzero(np.isfinite(graph.node_total))
    found = np.array([dense_row(graph, node).sum() for node in rows.tolist()]) + graph.node_constant[rows]
    total = graph.node_total[rows]
    return float(np.abs(found - total).max() / np.abs(total).max())


@pytest.mark.filterwarnings("ignore::clew.attribution.trace.GapWarning")
@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
def test_half_precision_stays_within_what_was_measured(architecture, dtype):
    bounds, medians = BOUNDS[dtype], []
    for seed in SEEDS:
        half = tiny_model(architecture, seed=seed, dtype=dtype)
        full = replace(half, network=copy.deepcopy(half.network).float())
        rounded = traced(half, architecture, seed)
        errors, of_outputs = row_errors(rounded, traced(full, architecture, seed))
        assert worst_gap(rounded) <= bounds.gap
        assert of_outputs.max() <= (bounds.output_of_experts if architecture in MIXTURES else bounds.output)
        medians.append(np.median(errors))
    assert np.median(medians) <= bounds.row


def test_half_precision_is_warned_about_where_rows_do_not_add_up():
    model = tiny_model("LlamaForCausalLM", dtype=torch.bfloat16)
    with pytest.warns(GapWarning, match="Rows do not add up"):
        traced(model, "LlamaForCausalLM", 0)
