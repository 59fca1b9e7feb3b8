"""Active features and rows against the published implementation, on nine small cases that it computed."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file

import clew
from clew.graph.graph import Graph, NodeKind
from tests.parity import CASES, PARITY, require_parity


@pytest.mark.parametrize("low_memory", [False, True], ids=["held", "read again"])
@pytest.mark.parametrize("name", CASES)
def test_features_and_rows_are_those_that_were_published(name: str, low_memory: bool):
    require_parity()
    arrays = load_file(PARITY / name / "expected.safetensors")
    # Random weights explain nothing of a random model, so there is no quality to check.
    model = clew.load(
        PARITY / "models" / name.partition("-")[0],
        dictionary=PARITY / name / "transcoders",
        check=False,
        low_memory=low_memory,
    )
    graph = model.trace(
        arrays["input_tokens"].tolist(), max_nodes=10**6, max_targets=5, target_probability=0.9
    )
    features = graph.of_kind(NodeKind.FEATURE)
    found = np.stack([graph.node_layer, graph.node_position, graph.node_feature], axis=1)[features]
    np.testing.assert_array_equal(found, arrays["active_features"])
    np.testing.assert_allclose(
        graph.node_activation[features], arrays["activation_values"], rtol=1e-4, atol=1e-5
    )
    probability = {target.token_id: target.probability for target in graph.info.targets}
    published = dict(zip(arrays["logit_token_ids"].tolist(), arrays["logit_probabilities"], strict=True))
    assert probability == pytest.approx(published, rel=1e-4)

    expected = published_rows(graph, arrays)
    if name.startswith("gemma3"):  # the published token columns lack the embedding's scale
        expected[:, graph.of_kind(NodeKind.TOKEN)] *= 32**0.5
    error = np.linalg.norm(dense(graph) - expected) / np.linalg.norm(expected)
    assert error <= 1e-4
    assert graph.info.conservation is not None
    assert graph.info.conservation <= 1e-3


def dense(graph: Graph) -> np.ndarray:
    rows = np.zeros((graph.n_nodes, graph.n_nodes))
    for node in range(graph.n_nodes):
        edges = slice(graph.edge_offset[node], graph.edge_offset[node + 1])
        rows[node, graph.edge_source[edges]] = graph.edge_weight[edges]
    return rows


def published_rows(graph: Graph, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The published adjacency in the graph's own order, which has no errors at the sink."""
    n_positions, n_features = len(graph.token_ids), len(arrays["active_features"])
    errors, tokens, targets = (
        graph.of_kind(kind) for kind in (NodeKind.ERROR, NodeKind.TOKEN, NodeKind.TARGET)
    )
    first_token = n_features + graph.n_layers * n_positions
    place = arrays["logit_token_ids"].tolist()
    order = np.concatenate(
        [
            np.arange(n_features),
            n_features + graph.node_layer[errors] * n_positions + graph.node_position[errors],
            first_token + graph.node_position[tokens],
            [first_token + n_positions + place.index(token) for token in graph.node_feature[targets]],
        ]
    ).astype(int)
    return arrays["adjacency"][np.ix_(order, order)].astype(np.float64)
