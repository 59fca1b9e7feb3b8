"""Every objective through both stretches: saved, read back and traced as it was trained, and resumable."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from clew.attribution.settings import TraceSettings
from clew.attribution.trace import trace
from clew.dictionary.activation import JumpReLU, TopK
from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_dictionary import bind
from clew.training.activations import mlp_values
from clew.training.checkpoint import load_checkpoint, save_checkpoint
from clew.training.settings import ActivationKind
from tests.tiny import tiny_model
from tests.training.test_run import arrays, begin, settings

NAMES = get_args(ActivationKind)
SHORT = {"tokens": 30 * 288, "end_to_end": 8 * 288}


def finish(run):
    """Take all steps, and give the layers' mean error at each step of the first stretch."""
    fvu = []
    while not run.finished:
        figures = run.advance()
        if figures.stage == "local":
            fvu.append(float(figures.fvu.mean()))
    return fvu


@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "skip-plt") for name in NAMES), ("topk", "clt"), ("jumprelu", "clt")]
)
def test_a_saved_dictionary_computes_and_traces_as_it_was_trained(name, kind, tmp_path):
    model = tiny_model("LlamaForCausalLM")
    options = settings(activation=name, kind=kind, **SHORT)
    run, texts = begin(model, options)
    fvu = finish(run)
    assert fvu[-1] < 0.9 * fvu[0]
    save_transcoders(run.transcoders(model.name, None), tmp_path / "saved", model.name)
    found = load_transcoders(tmp_path / "saved")
    expected = TopK if name == "topk" else JumpReLU
    assert all(isinstance(part.activation, expected) for part in found.layers.values())
    dictionary = bind(model, found, "own")
    row = texts[:1]
    reads, _ = mlp_values(model, row, range(model.n_layers))
    for layer, (stacked, objective) in run.folded().items():
        with torch.no_grad():
            x = reads[layer][None]
            trained = objective.activate(stacked, stacked.pre_activations(x), options.l0)[0]
        _, saved = dictionary.respond(layer, reads[layer])
        assert ((trained > 0) != (saved > 0)).float().mean() < 0.01  # float16 is near a threshold
        both = (trained > 0) & (saved > 0)
        torch.testing.assert_close(saved[both], trained[both], atol=5e-3, rtol=5e-3)
    graph = trace(model, dictionary, row[0].tolist(), TraceSettings(max_nodes=200))
    assert graph.info.conservation is not None
    assert graph.info.conservation <= 1e-3


@pytest.mark.parametrize(("name", "stop"), [("batchtopk", 20), ("jumprelu", 20), ("topk", 34)])
def test_a_resumed_run_ends_with_the_same_weights_bit_for_bit(name, stop, tmp_path):
    model = tiny_model("GPT2LMHeadModel")
    options = settings(activation=name, **SHORT)
    whole, _ = begin(model, options)
    for _ in range(stop):
        whole.advance()
    save_checkpoint(tmp_path, whole.state())
    finish(whole)
    second, _ = begin(model, options)
    second.restore(load_checkpoint(tmp_path))
    finish(second)
    expected = arrays(whole)
    assert all(torch.equal(array, expected[name]) for name, array in arrays(second).items())


def test_the_optimiser_keeps_moments_of_learned_thresholds():
    run, _ = begin(tiny_model("GPT2LMHeadModel"), settings(activation="jumprelu"))
    before = run.groups[0].stacked.threshold.detach().clone()
    for _ in range(5):
        run.advance()
    group = run.groups[0]
    assert not torch.equal(group.stacked.threshold, before)
    assert "exp_avg" in group.optimizer.state[group.stacked.threshold]
