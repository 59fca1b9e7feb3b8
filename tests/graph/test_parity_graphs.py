"""Pruning and scores against the published implementation, on nine graphs that it computed.

Each graph is read from the file's own adjacency matrix, so that only what is done with a graph is
compared here, not how its rows were found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from clew.graph.consistency import check_consistency
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import cumulative_share, influence, measure_flow
from clew.graph.info import GraphInfo, Target
from clew.graph.pruning import prune_masks
from clew.graph.scores import scores
from tests.parity import CASES, PARITY, require_parity


@dataclass(frozen=True)
class Case:
    """One published graph and what was computed from it."""

    graph: Graph
    arrays: dict[str, np.ndarray]
    numbers: dict[str, float]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return read_case(PARITY / request.param)


@cache
def read_case(folder: Path) -> Case:
    require_parity()
    arrays = load_file(folder / "expected.safetensors")
    numbers = json.loads((folder / "expected.json").read_text())
    return Case(graph_of(arrays), arrays, numbers)


def graph_of(arrays: dict[str, np.ndarray]) -> Graph:
    """The adjacency matrix as a graph; its rows and columns are features, errors, tokens, logits."""
    features, tokens = arrays["active_features"], arrays["input_tokens"]
    logits, probability = arrays["logit_token_ids"], arrays["logit_probabilities"]
    adjacency = arrays["adjacency"]
    n_errors = len(adjacency) - len(features) - len(tokens) - len(logits)
    n_layers, n_positions = n_errors // len(tokens), len(tokens)
    error_layer, error_position = np.divmod(np.arange(n_errors), n_positions)
    sizes = [len(features), n_errors, n_positions, len(logits)]

    target, source = np.nonzero(adjacency)
    last = np.full(len(logits), n_positions - 1)
    unknown = np.full(n_errors + n_positions, np.nan)
    return Graph(
        node_kind=np.repeat(np.array(list(NodeKind), dtype=np.uint8), sizes),
        node_layer=np.concatenate(
            [features[:, 0], error_layer, np.full(n_positions, -1), np.full(len(logits), n_layers)]
        ).astype(np.int16),
        node_position=np.concatenate([features[:, 1], error_position, np.arange(n_positions), last]).astype(
            np.int32
        ),
        node_feature=np.concatenate([features[:, 2], np.full(n_errors, -1), tokens, logits]),
        node_activation=np.concatenate([arrays["activation_values"], unknown, probability]).astype(
            np.float32
        ),
        node_influence=np.zeros(len(adjacency), dtype=np.float32),
        edge_offset=np.searchsorted(target, np.arange(len(adjacency) + 1)),
        edge_source=source.astype(np.int32),
        edge_weight=adjacency[target, source],
        token_ids=tokens,
        info=GraphInfo(
            prompt="",
            tokens=tuple(str(token) for token in tokens),
            targets=tuple(
                Target(str(token), int(token), float(p), float(p))
                for token, p in zip(logits, probability, strict=True)
            ),
        ),
    )


def test_the_published_graph_is_a_sound_graph(case):
    check_consistency(case.graph)


def test_influence_adds_up_as_published(case):
    found = cumulative_share(influence(case.graph))
    np.testing.assert_allclose(found, case.arrays["cumulative_influence"], rtol=0, atol=1e-6)


def test_scores_are_those_published(case):
    found = scores(case.graph)
    assert found.replacement == pytest.approx(case.numbers["replacement_score"], abs=1e-6)
    assert found.completeness == pytest.approx(case.numbers["completeness_score"], abs=1e-6)


def test_pruning_keeps_the_nodes_and_edges_published(case):
    graph = case.graph
    keep_node, keep_edge = prune_masks(
        graph, measure_flow(graph), case.numbers["node_threshold"], case.numbers["edge_threshold"]
    )
    edge_mask = np.zeros((graph.n_nodes, graph.n_nodes), dtype=bool)
    edge_mask[graph.edge_target[keep_edge], graph.edge_source[keep_edge]] = True
    np.testing.assert_array_equal(keep_node, case.arrays["node_mask"])
    np.testing.assert_array_equal(edge_mask, case.arrays["edge_mask"])
