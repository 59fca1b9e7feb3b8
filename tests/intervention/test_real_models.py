"""Real models: influence and prediction go together with ablation, and a patch changes the answer."""

from __future__ import annotations

import pytest

from benchmarks.support.subject_patching import (
    DALLAS,
    JORDAN,
    SubjectPatch,
    patched_answers,
    random_neurons,
    source_graph,
    subject_neurons,
    subject_positions,
)
from clew.attribution.trace import trace
from clew.dictionary.neurons import NeuronDictionary
from clew.intervention.circuits import measure_circuit
from clew.intervention.settings import ValidationSettings
from clew.intervention.validation import validate_graph
from tests.real import GEMMA_ANSWERS, SMOLLM2_ANSWERS, real_model

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("name", "prompt"), [("smollm2", SMOLLM2_ANSWERS[0][0]), ("gemma3-270m", GEMMA_ANSWERS[0][0])]
)
def test_edges_hold_and_influence_tells_what_matters(name: str, prompt: str):
    model = real_model(name)
    dictionary = NeuronDictionary(model)
    graph = trace(model, dictionary, prompt)
    found = validate_graph(model, dictionary, graph, ValidationSettings(count=30))
    assert found.gap < 1e-4
    spearman = found.everything.influence_and_kl.spearman
    assert spearman is not None
    assert spearman > 0.7
    circuit = measure_circuit(model, dictionary, graph.prune())
    assert circuit.necessity > 0.99
    assert circuit.alone > circuit.nothing


@pytest.mark.parametrize("patch", [DALLAS, JORDAN])
def test_a_subject_s_neurons_from_another_prompt_change_the_answer_as_they_should(patch: SubjectPatch):
    """A hundred neurons at the subject's positions; as many random ones change nothing."""
    model = real_model("gemma3-270m")
    neurons = subject_neurons(source_graph(model, patch), subject_positions(model, patch), 100)
    before, after = patched_answers(model, patch, neurons)
    assert (before.likeliest, after.likeliest) == (patch.answer, patch.source_answer)
    assert after.source_answer > 100 * before.source_answer
    assert after.answer < before.answer / 5
    _, control = patched_answers(model, patch, random_neurons(model, neurons, seed=0))
    assert control.likeliest == patch.answer
    assert control.source_answer < 0.05
