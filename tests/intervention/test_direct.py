"""At the heart: what edges predict is what the direct regime measures, for every feature and target."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.attribution.trace import TraceSettings, trace
from clew.dictionary.protocols import Dictionary
from clew.graph.graph import Graph, NodeKind
from clew.intervention.intervention import Intervention
from clew.intervention.regimes import run_direct
from clew.intervention.run_intervention import feature_nodes, own_changes
from clew.model.language_model import LanguageModel
from tests.attribution.test_rows import dense_row
from tests.intervention.keyword_calls import intervene, prepare
from tests.intervention.random_changes import PAIRS, dictionary_of, random_changes, random_features
from tests.tiny import Shape, random_ids, tiny_model


def assert_edges_predict(
    model: LanguageModel,
    dictionary: Dictionary,
    graph: Graph,
    ids: list[int],
    changes: list[Intervention],
    sink: str | None,
) -> None:
    """Rows times changes per unit of activation, against every pre-activation and every target."""
    (result,) = intervene(model, dictionary, ids, changes, regime="direct", sink=sink, graph=graph)
    setting = prepare(model, dictionary, ids, changes, sink=sink)
    change, _ = own_changes(setting, result.features)
    nodes = feature_nodes(graph)
    per_unit = np.zeros(graph.n_nodes)
    for place, amount in change.items():
        per_unit[nodes[place]] = amount / graph.node_activation[nodes[place]]

    found = run_direct(setting)
    moved = {layer: (pre[1] - pre[0]).numpy() for layer, pre in enumerate(found.pre_activation)}
    measured = np.array([moved[at.layer][at.position, at.index] for at in nodes])
    expected = np.array([dense_row(graph, node) @ per_unit for node in nodes.values()])
    assert_close(measured, expected)

    targets = [dense_row(graph, node) @ per_unit for node in graph.of_kind(NodeKind.TARGET).tolist()]
    assert_close(sorted(change.measured for change in result.targets), sorted(targets))
    assert_close([each.predicted for each in result.targets], [each.measured for each in result.targets])
    assert result.not_in_graph == 0


def assert_close(found, expected) -> None:
    """Within 1e-4 of each value, plus a floor of some float32 roundings of the largest."""
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=3e-6 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize(("architecture", "kind"), PAIRS)
def test_edges_predict_the_direct_regime(architecture: str, kind: str):
    draw = random.Random(f"{architecture} {kind}")
    model = tiny_model(architecture)
    dictionary = dictionary_of(model, kind, draw)
    ids, sink = random_ids(6).tolist(), draw.choice([None, "none"])
    chosen = TraceSettings(targets=[3, 5, "w7 minus w9"], max_nodes=10**6, sink=sink)
    graph = trace(model, dictionary, ids, chosen)
    changes = random_changes(random_features(graph, draw, 12), draw)
    assert_edges_predict(model, dictionary, graph, ids, changes, sink)


@settings(max_examples=20)
@given(
    pair=st.sampled_from(PAIRS),
    n_layers=st.integers(1, 4),
    n_value_heads=st.integers(1, 3),
    shared=st.integers(1, 3),
    n_positions=st.integers(2, 9),
    count=st.integers(1, 40),
    seed=st.integers(0, 2**16),
)
def test_edges_predict_the_direct_regime_on_random_shapes(
    pair, n_layers, n_value_heads, shared, n_positions, count, seed
):
    draw, n_heads = random.Random(seed), n_value_heads * shared
    shape = Shape(n_layers, n_heads, n_value_heads, 4, d_model=n_heads * 4, d_mlp=14)
    model = tiny_model(pair[0], shape, seed)
    dictionary = dictionary_of(model, pair[1], draw)
    ids = random_ids(n_positions, seed).tolist()
    graph = trace(model, dictionary, ids, TraceSettings(targets=[3, "w7 minus w9"], max_nodes=10**6))
    changes = random_changes(random_features(graph, draw, count), draw)
    assert_edges_predict(model, dictionary, graph, ids, changes, None)
