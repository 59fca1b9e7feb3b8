"""A circuit of everything is the model; one of nothing is the model with all features removed."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from clew.attribution.trace import trace
from clew.dictionary.neurons import NeuronDictionary
from clew.errors import ClewError
from clew.facade import Model
from clew.feature import FeatureAt
from clew.graph.graph import NodeKind
from clew.intervention.circuits import mean_activations, measure_circuit
from clew.intervention.intervention import Intervention
from clew.intervention.settings import CircuitSettings
from clew.model.language_model import LanguageModel
from tests.intervention.keyword_calls import intervene
from tests.random_transcoders import KINDS, random_transcoders
from tests.tiny import random_ids, tiny_model

IDS = [0, *random_ids(4).tolist()]
AFTER_SINK = slice(1, None)


def all_features(dictionary, n_positions: int = len(IDS)) -> list[FeatureAt]:
    return [
        FeatureAt(layer, position, index)
        for layer, count in enumerate(dictionary.n_features)
        for position in range(1, n_positions)
        for index in range(count)
    ]


def probability_with(model: LanguageModel, dictionary, changes, token: int) -> float:
    (result,) = intervene(model, dictionary, IDS, changes)
    return float(result.logits_after[-1].softmax(-1)[token])


@pytest.mark.parametrize("kind", ["neurons", *sorted(KINDS)])
@pytest.mark.parametrize("outside", ["zero", "mean"])
def test_everything_and_nothing(kind: str, outside: Literal["zero", "mean"]):
    model = tiny_model("Gemma2ForCausalLM")
    dictionary = NeuronDictionary(model) if kind == "neurons" else random_transcoders(model, kind)
    everything = measure_circuit(
        model, dictionary, IDS, all_features(dictionary), CircuitSettings(outside=outside)
    )
    nothing = measure_circuit(model, dictionary, IDS, [], CircuitSettings(outside=outside))
    assert everything.alone == pytest.approx(everything.whole, rel=1e-5)
    assert everything.without == pytest.approx(everything.nothing, rel=1e-5)
    assert nothing.without == pytest.approx(nothing.whole, rel=1e-5)
    assert nothing.alone == pytest.approx(nothing.nothing, rel=1e-5)
    assert nothing.alone != pytest.approx(nothing.whole, rel=1e-3)
    assert (everything.size, nothing.size) == (len(all_features(dictionary)), 0)
    assert everything.sufficiency == pytest.approx(1, rel=1e-5)
    assert nothing.necessity == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("kind", ["neurons", "PLT ReLU", "CLT ReLU"])
@pytest.mark.parametrize("outside", ["zero", "mean"])
def test_masks_equal_one_intervention_a_feature(kind: str, outside: Literal["zero", "mean"]):
    model = tiny_model("LlamaForCausalLM")
    dictionary = NeuronDictionary(model) if kind == "neurons" else random_transcoders(model, kind)
    inside = set(all_features(dictionary)[::3])
    found = measure_circuit(model, dictionary, IDS, sorted(inside), CircuitSettings(outside=outside))
    mean = mean_activations(model, dictionary, IDS[:1])
    ablations, outsiders = [], []
    for at in all_features(dictionary):
        value = float(mean[at.layer][at.index]) if outside == "mean" else 0.0
        if at in inside:
            ablations.append(Intervention(at.feature, at.position))
        else:
            outsiders.append(Intervention(at.feature, at.position, "set", value))
    token = found.token_id
    assert found.without == pytest.approx(probability_with(model, dictionary, ablations, token), rel=1e-4)
    assert found.alone == pytest.approx(probability_with(model, dictionary, outsiders, token), rel=1e-4)
    both = probability_with(model, dictionary, [*ablations, *outsiders], token)
    assert found.nothing == pytest.approx(both, rel=1e-4)


def test_decoder_rows_may_be_read_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model("Gemma2ForCausalLM")
    dictionary = random_transcoders(model, "CLT ReLU")
    places = all_features(dictionary)[::2]
    together = measure_circuit(model, dictionary, IDS, places)
    monkeypatch.setattr("clew.intervention.residual_writes.FEATURES_AT_ONCE", 2)
    apart = measure_circuit(model, dictionary, IDS, places)
    for name in ("whole", "without", "alone", "nothing"):
        assert getattr(apart, name) == pytest.approx(getattr(together, name), rel=1e-5)


def test_a_model_measures_both_of_its_own_graphs():
    network = tiny_model("LlamaForCausalLM")
    model = Model(network, NeuronDictionary(network))
    graph = model.trace("w3 w4 w5")
    assert model.validate(graph, count=4).gap < 1e-4
    of_graph = model.circuit(graph)
    of_text = model.circuit("w3 w4 w5", [graph.feature_at(node) for node in graph.of_kind(NodeKind.FEATURE)])
    assert of_text == of_graph


def test_with_all_neurons_at_zero_no_mlp_adds_more_than_its_bias():
    """Everything outside to zero removes the MLPs, at every position after the sink."""
    model = tiny_model("LlamaForCausalLM")
    dictionary = NeuronDictionary(model)
    found = measure_circuit(model, dictionary, IDS, [])

    def only_bias(module, inputs, output):
        output = output.clone()
        output[:, AFTER_SINK] = 0 if module.down_proj.bias is None else module.down_proj.bias
        return output

    handles = [layer.mlp.register_forward_hook(only_bias) for layer in model.layers]
    try:
        logits = model.next_token_logits(torch.tensor([IDS]))[0]
    finally:
        for handle in handles:
            handle.remove()
    assert found.nothing == pytest.approx(float(logits.softmax(-1)[found.token_id]), rel=1e-4)


def test_a_graph_brings_its_features_and_its_answer():
    model = tiny_model("LlamaForCausalLM")
    dictionary = NeuronDictionary(model)
    kept = trace(model, dictionary, IDS).prune()
    of_graph = measure_circuit(model, dictionary, kept)
    best = max(kept.info.targets, key=lambda target: target.weight)
    assert (of_graph.answer, of_graph.size) == (best.text, kept.size.features)
    assert of_graph.whole == pytest.approx(best.probability, rel=1e-4)
    places = [kept.feature_at(node) for node in kept.of_kind(NodeKind.FEATURE)]
    assert measure_circuit(model, dictionary, kept, places) == of_graph
    assert repr(of_graph).startswith(f"Circuit({of_graph.size:,} features, all others at zero -> ")


def test_a_set_may_be_named_in_any_way():
    network = tiny_model("LlamaForCausalLM")
    model = Model(network, NeuronDictionary(network))
    graph = model.trace(IDS)
    node = int(graph.of_kind(NodeKind.FEATURE)[3])
    at, feature = graph.feature_at(node), graph.feature(node)
    graph = graph.annotate(supernodes={"s": [graph.node_id(node)]}, labels={graph.node_id(node): "a label"})
    expected = model.circuit(graph, [at])
    assert repr(expected).startswith("Circuit(1 feature, all others at zero -> ")
    tuples = (at.layer, at.position, at.index), (feature, at.position)
    end = f"{feature}@{at.position - len(IDS)}"
    for name in (at, *tuples, graph.node_name(node), graph.node_id(node), "s", "a label", end):
        assert model.circuit(graph, name) == expected
        assert model.circuit(graph, [name, at]) == expected
    everywhere = [(feature.layer, position, feature.index) for position in range(1, len(IDS))]
    assert (
        model.circuit(graph, feature)
        == model.circuit(graph, str(feature))
        == model.circuit(graph, everywhere)
    )
    assert model.circuit(IDS, f"{feature}@2") == model.circuit(IDS, [(feature.layer, 2, feature.index)])


def test_refusals():
    model = tiny_model("LlamaForCausalLM")
    dictionary = NeuronDictionary(model)
    for places, outside, message in (
        ([(9, 0, 0)], "zero", "neurons has no feature L9/0"),
        ([(0, 1, 99)], "zero", "neurons has no feature L0/99"),
        ([(0, 5, 1)], "zero", "There is no position 5; the prompt has positions 0 to 4"),
        ([], "half", "outside must be zero or mean, not 'half'"),
        (3, "zero", "3 is not a feature at a position; give 'L24/1005@5', "),
        ([(0, 1)], "zero", r"\(0, 1\) is not a feature at a position"),
        ([(0, 1.0, 2)], "zero", r"\(0, 1.0, 2\) is not a feature at a position"),
        (
            ["Texas"],
            "zero",
            "'Texas' is not a feature such as L12/4031; for a supernode or a label, ",
        ),
        (None, "zero", "Name the features of the circuit"),
    ):
        with pytest.raises(ClewError, match=message):
            measure_circuit(model, dictionary, IDS, places, CircuitSettings(outside=outside))  # type: ignore[arg-type]
