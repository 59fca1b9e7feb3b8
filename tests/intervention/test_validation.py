"""Ablations one by one: in the direct regime they equal the edges, batched or not; what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from clew.attribution.trace import TraceSettings, trace
from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.protocols import Dictionary
from clew.errors import ClewError
from clew.feature import Feature, FeatureAt
from clew.graph.graph import Graph, NodeKind
from clew.graph.pruning import subgraph
from clew.intervention.hooks import run_free
from clew.intervention.intervention import Intervention
from clew.intervention.regimes import PreparedRun, run_direct, run_with_frozen_attention
from clew.intervention.settings import ValidationSettings
from clew.intervention.validation import one_in_each_column, validate_graph
from clew.intervention.validation_result import agreement
from clew.model.language_model import LanguageModel
from clew.model.recording import record
from tests.intervention.keyword_calls import intervene
from tests.random_transcoders import KINDS, random_transcoders
from tests.tiny import MIXTURES, WITH_NEURONS, random_ids, tiny_model

IDS = [0, *random_ids(5).tolist()]


def traced(model: LanguageModel, dictionary: Dictionary) -> Graph:
    return trace(model, dictionary, IDS)


def with_neurons(architecture: str = "Gemma2ForCausalLM") -> tuple[LanguageModel, Dictionary, Graph]:
    model = tiny_model(architecture)
    dictionary = NeuronDictionary(model)
    return model, dictionary, traced(model, dictionary)


@pytest.mark.parametrize("architecture", sorted(WITH_NEURONS))
def test_neurons_do_what_their_edges_say(architecture: str):
    model, dictionary, graph = with_neurons(architecture)
    found = validate_graph(model, dictionary, graph, ValidationSettings(count=30))
    assert len(found.top) == len(found.random) == 30
    assert found.gap < 1e-4
    for node in found.nodes:
        assert node.measured_direct == pytest.approx(node.predicted_direct, abs=2e-4)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "Gemma2ForCausalLM", MIXTURES[0]])
def test_transcoders_do_what_their_edges_say(architecture: str, kind: str):
    model = tiny_model(architecture)
    dictionary = random_transcoders(model, kind)
    found = validate_graph(model, dictionary, traced(model, dictionary), ValidationSettings(count=10))
    assert found.nodes
    assert found.gap < 1e-4


def test_a_pruned_graph_is_right_as_far_as_it_goes():
    model, dictionary, graph = with_neurons()
    assert validate_graph(model, dictionary, graph.prune(), ValidationSettings(count=10)).gap < 1e-4


def test_batched_equals_one_by_one():
    model, dictionary, graph = with_neurons()
    batched = validate_graph(model, dictionary, graph, ValidationSettings(count=20))
    alone = validate_graph(model, dictionary, graph, ValidationSettings(count=20), memory=1)
    for one, other in zip(batched.nodes, alone.nodes, strict=True):
        assert (one.name, one.is_top) == (other.name, other.is_top)
        assert one.measured == pytest.approx(other.measured, rel=1e-3, abs=1e-5)
        assert one.measured_direct == pytest.approx(other.measured_direct, rel=1e-3, abs=1e-5)
        assert one.kl == pytest.approx(other.kl, rel=1e-2, abs=1e-8)


def test_the_free_regime_is_an_intervention_of_its_own():
    model, dictionary, graph = with_neurons("LlamaForCausalLM")
    main = max(graph.info.targets, key=lambda target: target.weight)
    for node in validate_graph(model, dictionary, graph, ValidationSettings(count=5)).nodes:
        change = Intervention(Feature(node.layer, node.index), node.position)
        (result,) = intervene(model, dictionary, IDS, [change], graph=graph)
        target = next(target for target in result.targets if target.text == main.text)
        assert node.measured == pytest.approx(target.measured, rel=1e-3, abs=1e-5)
        assert node.predicted == pytest.approx(target.predicted, rel=1e-4, abs=1e-6)
        assert node.kl == pytest.approx(result.kl, rel=1e-2, abs=1e-8)
        (direct,) = intervene(model, dictionary, IDS, [change], graph=graph, regime="direct")
        target = next(target for target in direct.targets if target.text == main.text)
        assert node.predicted_direct == pytest.approx(target.predicted, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("run", [run_direct, run_with_frozen_attention, run_free])
def test_columns_keep_to_themselves(run):
    """A batch of ablations leaves what each would leave alone; its first column is the plain model."""
    model = tiny_model("LlamaForCausalLM")
    dictionary, recording = NeuronDictionary(model), record(model, torch.tensor(IDS))
    features = [FeatureAt(*at) for at in ((0, 2, 5), (1, 3, 7), (1, 2, 7), (0, 2, 5))]

    def logits(features):
        edits, strength = one_in_each_column(features), torch.ones(len(features) + 1)
        return run(PreparedRun(model, dictionary, recording, edits, strength, range(model.n_layers))).logits

    together = logits(features)
    for column, feature in enumerate(features, start=1):
        torch.testing.assert_close(together[[0, column]], logits([feature]), rtol=1e-4, atol=1e-5)
    assert not torch.equal(together[0], together[1])
    torch.testing.assert_close(together[1], together[4])


def test_the_same_draw_for_the_same_seed():
    model, dictionary, graph = with_neurons()
    draws = [
        [node.name for node in validate_graph(model, dictionary, graph, settings).random]
        for settings in (ValidationSettings(count=3, seed=seed) for seed in (0, 0, 1))
    ]
    assert draws[0] == draws[1] != draws[2]


def test_a_small_graph_is_tested_whole():
    model, dictionary, graph = with_neurons()
    found = validate_graph(model, dictionary, graph, ValidationSettings(count=10**6))
    assert len(found.top) == found.n_features == len(graph.of_kind(NodeKind.FEATURE))
    assert found.random == ()
    influence = [node.influence for node in found.nodes]
    assert influence == sorted(influence, reverse=True)


def test_groups_hold_the_correlations_of_their_nodes():
    model, dictionary, graph = with_neurons()
    found = validate_graph(model, dictionary, graph, ValidationSettings(count=15))
    everything, top, random = found.groups
    assert (everything.count, top.count, random.count) == (30, 15, 15)
    assert sum(layer.count for layer in found.layers) == 30
    predicted = [node.predicted for node in found.top]
    measured = [node.measured for node in found.top]
    assert top.prediction_and_effect.pearson == pytest.approx(np.corrcoef(predicted, measured)[0, 1])
    few = agreement("few", found.nodes[:2])
    assert few.influence_and_kl.spearman is None
    assert "Spearman of influence and KL" in repr(found)
    for node in found.disappointments():
        assert node.measured_size < node.predicted_size


def test_a_difference_of_two_tokens_can_be_the_target():
    model = tiny_model("LlamaForCausalLM")
    graph = trace(model, NeuronDictionary(model), IDS, TraceSettings(targets=["w7 minus w9"]))
    assert validate_graph(model, NeuronDictionary(model), graph, ValidationSettings(count=10)).gap < 1e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: {"node_activation": g.node_activation * 3}, "have other activations in tiny with neurons"),
        (lambda g: {"node_activation": g.node_activation * np.nan}, "holds no activations"),
        (lambda g: {"node_feature": g.node_feature + 1000}, "neurons has no feature L"),
        (lambda g: {"node_feature": -2 * (g.node_feature + 1)}, "neurons has no feature A"),
        (lambda g: {"token_ids": g.token_ids + 1000}, "has tokens that tiny does not have"),
        (lambda g: {"node_layer": g.node_layer * 2}, "a model with 6 layers .tiny., but tiny has 3"),
    ],
)
def test_another_model_s_graph_is_refused(change, message: str):
    model, dictionary, graph = with_neurons()
    with pytest.raises(ClewError, match=message):
        validate_graph(model, dictionary, replace(graph, **change(graph)))


def test_nothing_to_test_is_refused():
    model, dictionary, graph = with_neurons()
    with pytest.raises(ClewError, match="There is no feature to test; count or random_count must be above 0"):
        validate_graph(model, dictionary, graph, ValidationSettings(count=0))
    bare = subgraph(graph, graph.node_kind != NodeKind.FEATURE, np.ones(graph.n_edges, dtype=bool))
    with pytest.raises(ClewError, match="has no features"):
        validate_graph(model, dictionary, bare)
    aimless = subgraph(graph, graph.node_kind != NodeKind.TARGET, np.ones(graph.n_edges, dtype=bool))
    aimless = aimless.with_info(targets=())
    with pytest.raises(ClewError, match="has no targets"):
        validate_graph(model, dictionary, aimless)
