"""Features chosen by repeated partial influence are those of a dense computation of the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clew.attribution import partial_influence
from clew.attribution.trace import TraceSettings, trace
from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from tests.attribution.test_rows import dense_row
from tests.random_transcoders import KINDS, random_transcoders
from tests.tiny import random_ids, tiny_model


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPTNeoXForCausalLM", "Olmo2ForCausalLM"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sink", [None, "none"])
def test_the_same_features_as_by_dense_matrices(architecture, kind, sink, monkeypatch):
    monkeypatch.setattr(partial_influence, "ROUND", 5)
    model = tiny_model(architecture)
    dictionary, ids = random_transcoders(model, kind), random_ids(7).tolist()
    whole = trace(model, dictionary, ids, TraceSettings(max_nodes=10**6, sink=sink))
    chosen = trace(model, dictionary, ids, TraceSettings(max_nodes=13, sink=sink, selection="influence"))
    expected = dense_selection(whole, count=13, at_once=5)
    assert node_keys(chosen) == {node_keys_list(whole)[node] for node in expected}


def dense_selection(graph: Graph, count: int, at_once: int) -> set[int]:
    """Known rows are those of the targets and of what is chosen; all others are zero."""
    shares = np.stack([np.abs(dense_row(graph, node)) for node in range(graph.n_nodes)])
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-8)
    targets = graph.of_kind(NodeKind.TARGET)
    weight = np.zeros(graph.n_nodes)
    weight[targets] = graph.node_activation[targets]
    chosen: list[int] = []
    while len(chosen) < count:
        known = np.zeros_like(shares)
        known[[*targets, *chosen]] = shares[[*targets, *chosen]]
        influence = weight @ np.linalg.inv(np.eye(graph.n_nodes) - known) - weight
        influence[[*chosen, *np.flatnonzero(graph.node_kind != NodeKind.FEATURE)]] = -1
        chosen += np.argsort(-influence)[: min(at_once, count - len(chosen))].tolist()
    return set(chosen)


def node_keys_list(graph: Graph) -> list[tuple[int, int, int]]:
    columns = (graph.node_layer, graph.node_position, graph.node_feature)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def node_keys(graph: Graph) -> set[tuple[int, int, int]]:
    keys = node_keys_list(graph)
    return {keys[node] for node in graph.of_kind(NodeKind.FEATURE)}


def test_with_room_for_all_both_ways_choose_all():
    model = tiny_model("Gemma2ForCausalLM")
    dictionary, ids = random_transcoders(model, "PLT ReLU"), random_ids(5).tolist()
    both = [
        trace(model, dictionary, ids, TraceSettings(max_nodes=10**6, selection=how))
        for how in ("attribution", "influence")
    ]
    assert node_keys(both[0]) == node_keys(both[1])


def test_another_way_is_refused():
    model = tiny_model("LlamaForCausalLM")
    settings = TraceSettings(selection="luck")  # type: ignore[arg-type]
    with pytest.raises(ClewError, match="selection must be attribution or influence, not 'luck'"):
        trace(model, random_transcoders(model, "PLT ReLU"), torch.arange(3).tolist(), settings)
