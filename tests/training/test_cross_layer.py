"""A cross-layer transcoder on a tiny model: it learns, and is saved, read and traced like any other."""

from __future__ import annotations

import pytest
import torch

from clew.attribution.settings import TraceSettings
from clew.attribution.trace import trace
from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_dictionary import bind
from clew.model.recording import record
from clew.training.activations import mlp_values
from clew.training.transcoders import StackedTranscoders
from tests.tiny import tiny_model
from tests.training.saved_figures import saved_figures
from tests.training.test_run import arrays, begin, settings


def finished(run):
    while not run.finished:
        run.advance()
    return run


def random_stack(n_layers=3, n_features=5, d_model=4):
    torch.manual_seed(0)
    return StackedTranscoders(
        encoder=torch.randn(n_layers, n_features, d_model),
        encoder_bias=torch.randn(n_layers, n_features),
        decoder=torch.randn(n_layers * (n_layers + 1) // 2, n_features, d_model, requires_grad=True),
        decoder_bias=torch.randn(n_layers, d_model),
        threshold=torch.zeros(n_layers, n_features),
        reach=tuple(range(n_layers, 0, -1)),
    )


def test_each_layer_gets_what_its_own_features_and_those_below_write():
    stacked = random_stack()
    activation = torch.randn(3, 7, 5, requires_grad=True)
    outputs = stacked.reconstruct(activation, torch.randn(3, 7, 4))
    expected = stacked.decoder_bias[:, None].repeat(1, 7, 1)
    for source, target, pair in [(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 1, 3), (1, 2, 4), (2, 2, 5)]:
        expected[target] += activation[source] @ stacked.decoder[pair]
    torch.testing.assert_close(outputs, expected)
    weights = torch.randn_like(expected)
    found = torch.autograd.grad((outputs * weights).sum(), [activation, stacked.decoder])
    wanted = torch.autograd.grad((expected * weights).sum(), [activation, stacked.decoder])
    torch.testing.assert_close(found, wanted)


def test_the_norm_of_a_decoder_is_that_of_all_it_writes():
    stacked = random_stack()
    middle = torch.cat([stacked.decoder[3], stacked.decoder[4]], dim=1).norm(dim=1)
    torch.testing.assert_close(stacked.decoder_norms()[1], middle)
    stacked.normalize_decoders()
    torch.testing.assert_close(stacked.decoder_norms(), torch.ones(3, 5))


def test_it_explains_more_than_its_beginning_and_the_last_stretch_keeps_more_answers(tmp_path):
    model = tiny_model("LlamaForCausalLM")
    options = settings(kind="clt", bits=4)
    run, texts = begin(model, options)
    before, _ = saved_figures(run, texts, tmp_path)
    while run.step < run.n_local_steps:
        run.advance()
    middle, middle_replaced = saved_figures(run, texts, tmp_path)
    while not run.finished:
        run.advance()
    after, after_replaced = saved_figures(run, texts, tmp_path)
    assert middle.fvu < 0.7 * before.fvu
    assert after_replaced.kl < 0.92 * middle_replaced.kl
    assert after.l0 == pytest.approx(options.l0, rel=0.5)


@pytest.mark.parametrize("bits", [None, 8])
def test_it_is_read_back_with_its_outputs_and_traced_with_conservation(bits, tmp_path):
    model = tiny_model("Gemma2ForCausalLM")
    # Rounding may flip a feature that stands at its threshold; with this seed none does.
    options = settings(kind="clt", bits=bits, seed=1)
    run, texts = begin(model, options)
    for _ in range(10):
        run.advance()
    saved = run.transcoders("tiny", None)
    save_transcoders(saved, tmp_path / "clt", "tiny", bits=bits)
    dictionary = bind(model, load_transcoders(tmp_path / "clt"), "clt")
    assert dictionary.transcoders.crosses_layers
    encoding = dictionary.encode(record(model, texts[0]))
    with torch.no_grad():
        reads, _ = mlp_values(model, texts[:1], range(model.n_layers))
        group = run.groups[0]
        whole = group.normalization.folded(group.stacked)
        expected = whole.reconstruct(
            group.objective.activate(whole, whole.pre_activations(reads), options.l0), reads
        )
    tolerance = 2e-3 if bits is None else 0.05
    scale = float(expected.abs().mean())
    assert (encoding.reconstructions()[:, 1:] - expected).abs().mean() < tolerance * scale
    graph = trace(model, dictionary, texts[0].tolist(), TraceSettings(max_nodes=200))
    assert graph.info.conservation is not None
    assert graph.info.conservation < 1e-3
    assert set(graph.node_layer[graph.node_feature >= 0].tolist()) >= {0, 1, 2}


def test_tokens_in_pieces_give_the_weights_of_tokens_all_at_once():
    model = tiny_model("GPT2LMHeadModel")
    runs = [
        begin(model, settings(kind="clt", tokens=8 * 288, end_to_end=0, memory=m))[0] for m in (2**30, 2**19)
    ]
    assert [run.groups[0].n_pieces for run in runs] == [1, 4]
    expected, found = (arrays(finished(run)) for run in runs)
    for name, array in found.items():
        torch.testing.assert_close(array, expected[name], atol=1e-5, rtol=1e-3)


def test_layers_in_groups_get_the_weights_of_layers_all_at_once():
    model = tiny_model("GPT2LMHeadModel")
    options = settings(tokens=40 * 288, end_to_end=0)
    together, _ = begin(model, options)
    apart, _ = begin(model, settings(tokens=40 * 288, end_to_end=0, memory=2**20))
    assert (len(together.groups), len(apart.groups)) == (1, 3)
    expected = arrays(finished(together))
    for name, array in arrays(finished(apart)).items():
        torch.testing.assert_close(array, expected[name], atol=1e-5, rtol=1e-4)
