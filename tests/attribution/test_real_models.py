"""Real models: rows equal autograd, everything adds up, and the graph names what carries the answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.support.neuron_graphs import answer_probability, most_influential, random_nodes
from clew.attribution.trace import TraceSettings, trace
from clew.dictionary.neurons import NeuronDictionary
from clew.graph.graph import Graph, NodeKind
from tests.attribution.test_rows import assert_rows_equal_autograd
from tests.real import GEMMA_ANSWERS, SMOLLM2_ANSWERS, real_model

pytestmark = pytest.mark.real

MODELS = pytest.mark.parametrize(
    ("name", "answers"), [("smollm2", SMOLLM2_ANSWERS), ("gemma3-270m", GEMMA_ANSWERS)]
)


def traced(name: str, prompt: str, max_nodes: int = 1024) -> Graph:
    model = real_model(name)
    return trace(model, NeuronDictionary(model), prompt, TraceSettings(max_nodes=max_nodes))


@pytest.mark.parametrize("name", ["smollm2", "gemma3-270m"])
def test_a_sample_of_rows_equals_autograd(name):
    answers = SMOLLM2_ANSWERS if name == "smollm2" else GEMMA_ANSWERS
    graph = traced(name, answers[0][0], max_nodes=600)
    rows = np.concatenate([graph.of_kind(NodeKind.FEATURE)[::60], graph.of_kind(NodeKind.TARGET)])
    assert_rows_equal_autograd(real_model(name), graph, set(rows.tolist()))


@MODELS
def test_every_trace_adds_up_and_ablation_confirms_it(name, answers):
    """The answer's 30 most influential neurons carry it; 30 others of the graph do not."""
    falls, others = [], []
    for prompt, answer in answers:
        graph = traced(name, prompt)
        assert graph.info.conservation is not None
        assert graph.info.conservation <= 1e-3, prompt
        best = max(graph.info.targets, key=lambda target: target.weight)
        assert (best.text, best.weight > 0.5) == (answer, True), prompt
        falls.append(best.weight / answer_probability(real_model(name), graph, most_influential(graph, 30)))
        others.append(best.weight / answer_probability(real_model(name), graph, random_nodes(graph, 30, 0)))
    assert np.median(falls) >= 10
    assert np.median(others) < 2


def test_scores_rise_with_the_number_of_nodes():
    few, many = (traced("smollm2", "The capital of France is", count) for count in (256, 2048))
    assert few.info.scores is not None
    assert many.info.scores is not None
    assert many.info.scores.replacement > few.info.scores.replacement
    assert many.info.scores.completeness > few.info.scores.completeness


def test_a_trace_twice_is_the_same_to_the_last_bit():
    first, second = (traced("smollm2", "The opposite of hot is", 300) for _ in range(2))
    assert torch.equal(torch.from_numpy(first.edge_weight), torch.from_numpy(second.edge_weight))
