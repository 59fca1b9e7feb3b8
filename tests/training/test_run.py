"""A training run on a tiny model: it learns, and it goes on after a stop to the same weights bit for bit."""

from __future__ import annotations

import pytest
import torch

from clew.training.activations import mlp_values
from clew.training.checkpoint import load_checkpoint, save_checkpoint
from clew.training.run import TrainingRun
from clew.training.settings import TrainSettings
from clew.training.text.batches import TextBatches
from clew.training.transcoders import Normalization
from tests.tiny import VOCABULARY, tiny_model
from tests.training.saved_figures import saved_figures

CONTEXT = 9


def settings(**changes):
    defaults = {
        "out": "unused",
        "features": 96,
        "l0": 6.0,
        "tokens": 120 * 288,
        "end_to_end": 60 * 288,
        "context": CONTEXT,
        "batch": 288,
        "learning_rate": 5e-3,
        "end_to_end_rate": 1e-2,
    }
    return TrainSettings(**{**defaults, **changes})


def begin(model, options):
    texts = torch.randint(2, VOCABULARY, (800, CONTEXT), generator=torch.Generator().manual_seed(1))
    texts[:, 0] = 0
    batches = TextBatches(texts, options.batch // CONTEXT, seed=0)
    return TrainingRun(model, range(model.n_layers), batches, options), texts[:64]


def arrays(run):
    return {
        (layer, name): array
        for layer, (stacked, _) in run.folded().items()
        for name, array in stacked.arrays()
    }


@pytest.mark.parametrize("kind", ["plt", "skip-plt"])
def test_training_explains_the_mlps_and_the_last_stretch_the_answers(kind, tmp_path):
    model = tiny_model("LlamaForCausalLM")
    options = settings(kind=kind, bits=4)
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
    assert after.l0 <= middle.l0
    assert after.l0 == pytest.approx(options.l0, rel=0.5)


@pytest.mark.parametrize(
    ("kind", "activation", "steps", "stop"),
    [
        ("plt", "threshold", (40, 20), 25),
        ("plt", "threshold", (40, 20), 50),
        ("clt", "jumprelu", (8, 8), 3),
        ("clt", "threshold", (8, 8), 12),
    ],
)
def test_a_resumed_run_ends_with_the_same_weights_bit_for_bit(kind, activation, steps, stop, tmp_path):
    model = tiny_model("GPT2LMHeadModel")
    local, last = (288 * count for count in steps)
    options = settings(kind=kind, activation=activation, tokens=local, end_to_end=last)
    whole, _ = begin(model, options)
    while whole.step < stop:
        whole.advance()
    save_checkpoint(tmp_path, whole.state())
    second, _ = begin(model, options)
    second.restore(load_checkpoint(tmp_path))
    while not whole.finished:
        whole.advance()
        second.advance()
    expected = arrays(whole)
    assert all(torch.equal(array, expected[name]) for name, array in arrays(second).items())


def test_folding_the_normalization_changes_no_reconstruction():
    model = tiny_model("Gemma2ForCausalLM")
    run, texts = begin(model, settings(kind="skip-plt"))
    group = run.groups[0]
    with torch.no_grad():
        skip = group.stacked.trained()["skip"]
        skip.add_(0.1 * torch.randn_like(skip))
        group.stacked.encoder_bias.add_(0.1)
        group.stacked.decoder_bias.add_(0.2)
        reads, _ = mlp_values(model, texts, range(model.n_layers))
        x = group.normalization.read(reads)
        activation = group.objective.activate(group.stacked, group.stacked.pre_activations(x), 6)
        normalized = group.stacked.reconstruct(activation, x)
        expected = (
            normalized * group.normalization.write_scale[:, None] + group.normalization.write_mean[:, None]
        )
        folded = group.normalization.folded(group.stacked)
        activation = group.objective.activate(folded, folded.pre_activations(reads), 6)
        torch.testing.assert_close(folded.reconstruct(activation, reads), expected, atol=1e-4, rtol=1e-4)


def test_normalized_values_have_mean_0_and_one_huge_dimension_does_not_rule():
    values = torch.randn(2, 500, 16) * torch.tensor([1.0] * 15 + [1000.0]) + 3
    scaled = Normalization.of(values, values).read(values)
    assert scaled.mean(1).abs().max() < 1e-4
    assert scaled[:, :, -1].var() < 20 * scaled[:, :, :-1].var()


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPTNeoXForCausalLM"])
def test_the_models_pass_ends_with_the_last_layer_that_is_trained(architecture):
    model = tiny_model(architecture)
    token_ids = torch.arange(2, 2 + 3 * CONTEXT).view(3, CONTEXT)
    reads, writes = mlp_values(model, token_ids, range(model.n_layers))
    above = []
    handle = model.layers[2].mlp.register_forward_hook(lambda *_: above.append(True))
    some_reads, some_writes = mlp_values(model, token_ids, [1])
    handle.remove()
    assert torch.equal(some_reads[0], reads[1])
    assert torch.equal(some_writes[0], writes[1])
    assert not above


def test_a_few_huge_tokens_do_not_rule_the_normalization():
    values = torch.randn(2, 500, 16) + 3
    values[:, ::50] += 1000
    normalization = Normalization.of(values, values, most=10.0)
    torch.testing.assert_close(normalization.read_mean, torch.full((2, 16), 3.0), atol=0.2, rtol=0)
    assert (normalization.read_scale < 3).all()
