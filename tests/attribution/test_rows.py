"""Rows equal autograd through the same frozen model, and add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.attribution import batches, edge_weights, frozen_attention
from clew.attribution.trace import GapWarning, TraceSettings, trace
from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import TranscoderSet
from clew.dictionary.weights import Weights
from clew.graph.graph import Graph, NodeKind
from clew.model.language_model import LanguageModel
from tests.autograd_oracle import FrozenRun, frozen_run, gradients
from tests.random_transcoders import KINDS, random_transcoders
from tests.tiny import CONFIG_BY_ARCHITECTURE, MIXTURES, WITH_NEURONS, Shape, random_ids, tiny_model

architectures = pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))


def dictionary_for(model: LanguageModel, architecture: str) -> Dictionary:
    return random_transcoders(model, "PLT ReLU") if architecture in MIXTURES else NeuronDictionary(model)


def dense_row(graph: Graph, node: int) -> np.ndarray:
    row = np.zeros(graph.n_nodes)
    edges = slice(graph.edge_offset[node], graph.edge_offset[node + 1])
    row[graph.edge_source[edges]] = graph.edge_weight[edges]
    return row


def oracle_row(
    graph: Graph, run: FrozenRun, target: torch.Tensor, trained: TranscoderSet | None
) -> np.ndarray:
    """The same row by autograd: what is not a feature node counts into the errors."""
    on_embedding, on_leaves = gradients(run, target)
    on_leaf, leaf = torch.stack(on_leaves), torch.stack(run.leaves).detach()
    remaining = (leaf * on_leaf).sum(-1)
    if trained is not None:  # a decoder's bias is a constant
        biases = torch.stack([read(part.decoder_bias) for _, part in sorted(trained.layers.items())])
        remaining -= (biases[:, None] * on_leaf).sum(-1)
    row = np.zeros(graph.n_nodes)
    for node in graph.of_kind(NodeKind.FEATURE):
        layer, position, feature = node_place(graph, node)
        if trained is None:
            effect = leaf[layer, position, feature] * on_leaf[layer, position, feature]
            written = {layer: effect}
        else:
            decoder = read(trained.layers[layer].decoder.weights)[feature] * float(
                graph.node_activation[node]
            )
            written = {
                layer + ahead: vector @ on_leaf[layer + ahead, position]
                for ahead, vector in enumerate(decoder)
            }
        row[node] = sum(written.values())
        for at, effect in written.items():
            remaining[at, position] -= effect
    for node in graph.of_kind(NodeKind.ERROR):
        row[node] = remaining[node_place(graph, node)[:2]]
    row[graph.of_kind(NodeKind.TOKEN)] = (run.embedding.detach() * on_embedding).sum(-1)
    return row


def read(weights: Weights | None) -> torch.Tensor:
    assert weights is not None
    return weights.read()


def node_place(graph: Graph, node: int) -> tuple[int, int, int]:
    return int(graph.node_layer[node]), int(graph.node_position[node]), int(graph.node_feature[node])


def target_scalars(graph: Graph, run: FrozenRun, trained: TranscoderSet | None) -> dict[int, torch.Tensor]:
    scalars: dict[int, torch.Tensor] = {}
    for node in graph.of_kind(NodeKind.FEATURE).tolist():
        layer, position, feature = node_place(graph, node)
        x = run.read[layer][position]
        scalars[node] = x[feature] if trained is None else x @ read(trained.layers[layer].encoder)[feature]
    for node, target in zip(graph.of_kind(NodeKind.TARGET).tolist(), graph.info.targets, strict=True):
        other = run.mean_logit if target.minus_id is None else run.logits[target.minus_id]
        scalars[node] = run.logits[target.token_id] - other
    return scalars


def assert_rows_equal_autograd(
    model: LanguageModel, graph: Graph, nodes=None, trained: TranscoderSet | None = None
) -> None:
    """Each row within 1e-4 of its own norm, plus a floor of a few float32 roundings of the largest row.

    The floor matters for a row that nearly cancels: it carries the rounding of the terms that cancelled.
    Features are neurons unless those `trained` are given.
    """
    run = frozen_run(model, torch.from_numpy(graph.token_ids), trained)
    expected = {
        node: oracle_row(graph, run, scalar, trained)
        for node, scalar in target_scalars(graph, run, trained).items()
        if nodes is None or node in nodes
    }
    floor = 1e-6 * max(np.linalg.norm(row) for row in expected.values())
    for node, row in expected.items():
        error = np.linalg.norm(dense_row(graph, node) - row)
        assert error <= 1e-4 * np.linalg.norm(row) + floor, graph.node_name(node)


def assert_adds_up(graph: Graph) -> None:
    """Within 1e-3 of each value, plus a floor for values that nearly cancel, as with the rows."""
    assert graph.node_total is not None
    assert graph.node_constant is not None
    rows = np.flatnonzero(np.isfinite(graph.node_total))
    found = np.array([dense_row(graph, node).sum() for node in rows.tolist()]) + graph.node_constant[rows]
    total = graph.node_total[rows]
    assert (np.abs(found - total) <= 1e-3 * np.abs(total) + 1e-6 * np.abs(total).max()).all()


RANDOM_SHAPE = {
    "n_layers": st.integers(1, 4),
    "n_value_heads": st.integers(1, 3),
    "shared": st.integers(1, 3),
    "head_dim": st.sampled_from([4, 6]),
    "width": st.sampled_from([3, 5]),
    "n_positions": st.integers(1, 9),
    "max_nodes": st.integers(1, 60),
    "sink": st.sampled_from([None, "none"]),
    "seed": st.integers(0, 2**16),
}


def random_model(architecture, n_layers, n_value_heads, shared, head_dim, width, seed) -> LanguageModel:
    n_heads = n_value_heads * shared
    shape = Shape(n_layers, n_heads, n_value_heads, head_dim, d_model=n_heads * width, d_mlp=14)
    model = tiny_model(architecture, shape, seed)
    model.text_config.final_logit_softcapping = None  # edges leave a soft-cap out
    return model


@pytest.mark.parametrize("architecture", sorted(WITH_NEURONS))
@settings(max_examples=8)
@given(**RANDOM_SHAPE)
def test_rows_of_neurons_equal_autograd_on_random_models(
    architecture, n_layers, n_value_heads, shared, head_dim, width, n_positions, max_nodes, sink, seed
):
    model = random_model(architecture, n_layers, n_value_heads, shared, head_dim, width, seed)
    ids = random_ids(n_positions, seed).tolist()
    chosen = TraceSettings(targets=[3, 5, "w7 minus w9"], max_nodes=max_nodes, sink=sink)
    graph = trace(model, NeuronDictionary(model), ids, chosen)
    assert_rows_equal_autograd(model, graph)
    assert_adds_up(graph)


@architectures
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=3)
@given(read_point=st.sampled_from(ReadPoint), write_point=st.sampled_from(WritePoint), data=st.data())
def test_rows_of_transcoders_equal_autograd_on_random_models(
    architecture, kind, read_point, write_point, data
):
    drawn = {name: data.draw(strategy, label=name) for name, strategy in RANDOM_SHAPE.items()}
    n_positions, max_nodes, sink = (drawn.pop(name) for name in ("n_positions", "max_nodes", "sink"))
    model = random_model(architecture, **drawn)
    transcoders = random_transcoders(model, kind, drawn["seed"], read_point, write_point)
    ids = random_ids(n_positions, drawn["seed"]).tolist()
    chosen = TraceSettings(targets=[3, 5, "w7 minus w9"], max_nodes=max_nodes, sink=sink)
    graph = trace(model, transcoders, ids, chosen)
    assert_rows_equal_autograd(model, graph, trained=transcoders.transcoders)
    assert_adds_up(graph)


@architectures
@pytest.mark.parametrize("direction", ["backward", "forward"])
@pytest.mark.parametrize("sink", [None, "none"])
def test_both_directions_and_any_chunking_give_the_same_rows(architecture, direction, sink, monkeypatch):
    model = tiny_model(architecture)
    ids = random_ids(9).tolist()
    chosen = TraceSettings(max_nodes=100, sink=sink)
    dictionary = dictionary_for(model, architecture)
    either = trace(model, dictionary, ids, chosen)
    other = "forward_work" if direction == "backward" else "backward_work"
    monkeypatch.setattr(edge_weights, other, lambda nodes: 10**12)
    monkeypatch.setattr(batches, "PREFERRED_COLUMNS", 4)
    one_way = trace(model, dictionary, ids, chosen)
    np.testing.assert_array_equal(either.edge_source, one_way.edge_source)
    np.testing.assert_allclose(either.edge_weight, one_way.edge_weight, atol=1e-5)
    assert either.node_constant is not None
    assert one_way.node_constant is not None
    np.testing.assert_allclose(either.node_constant, one_way.node_constant, atol=1e-4)


def test_rows_that_do_not_add_up_are_warned_about(monkeypatch):
    monkeypatch.setattr("clew.attribution.trace.conservation_gap", lambda graph: 0.5)
    model = tiny_model("LlamaForCausalLM")
    with pytest.warns(GapWarning, match=r"worst relative gap is 5\.0e-01"):
        trace(model, NeuronDictionary(model), random_ids(3).tolist(), TraceSettings(max_nodes=5))


@pytest.mark.parametrize("direction", ["backward", "forward"])
def test_long_prompts_mix_positions_in_causal_blocks(direction, monkeypatch):
    monkeypatch.setattr(frozen_attention, "CAUSAL_BLOCK", 4)
    monkeypatch.setattr(
        edge_weights, "forward_work" if direction == "backward" else "backward_work", lambda nodes: 10**12
    )
    model = tiny_model("Qwen3ForCausalLM")
    graph = trace(model, NeuronDictionary(model), random_ids(15).tolist(), TraceSettings(max_nodes=40))
    assert_rows_equal_autograd(model, graph)
