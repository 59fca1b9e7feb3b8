"""On real models: influence and prediction go together with ablation, and a swap changes the answer."""

from __future__ import annotations

import pytest

from benchmarks.swap import DALLAS, JORDAN, Swap, others, source_graph, subject, supernode, swapped
from clew.attribution.trace import trace
from clew.dictionary.neurons import NeuronDictionary
from clew.intervention.circuits import measure_circuit
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
    found = validate_graph(model, dictionary, graph, count=30)
    assert found.gap < 1e-4
    spearman = found.everything.influence_and_kl.spearman
    assert spearman is not None
    assert spearman > 0.7
    circuit = measure_circuit(model, dictionary, graph.prune())
    assert circuit.necessity > 0.99
    assert circuit.alone > circuit.nothing


@pytest.mark.parametrize("swap", [DALLAS, JORDAN])
def test_a_subject_s_neurons_from_another_prompt_change_the_answer_as_they_should(swap: Swap):
    """A hundred neurons at the subject's positions; as many random ones change nothing."""
    model = real_model("gemma3-270m")
    places = supernode(source_graph(model, swap), subject(model, swap), 100)
    before, after = swapped(model, swap, places)
    assert (before.likeliest, after.likeliest) == (swap.answer, swap.wanted)
    assert after.wanted > 100 * before.wanted
    assert after.answer < before.answer / 5
    _, control = swapped(model, swap, others(model, places, seed=0))
    assert control.likeliest == swap.answer
    assert control.wanted < 0.05
