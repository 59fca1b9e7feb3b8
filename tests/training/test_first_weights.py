"""Transcoders before their first step: how many features are active, and what neurons give them."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from clew.errors import ClewError
from clew.training.dead_features import BEGIN_NORM
from clew.training.feasibility import check_model
from clew.training.first_weights import begin_from_samples
from clew.training.schedule import wanted_l0
from tests.tiny import tiny_model
from tests.training.test_run import begin, settings

D_MLP = 20


@pytest.mark.parametrize("beginning", ["samples", "neurons"])
@pytest.mark.parametrize("kind", ["plt", "clt"])
def test_about_as_many_features_as_wanted_are_active_at_first(beginning, kind):
    options = settings(begin=beginning, kind=kind, features=96)
    run, _ = begin(tiny_model("LlamaForCausalLM"), options)
    first = run.advance().l0.mean()
    assert float(first) == pytest.approx(wanted_l0(options.l0, 0, 96, 120), rel=0.3)


def test_no_two_features_begin_as_the_same_token():
    draw = torch.Generator().manual_seed(0)
    reads, writes = (torch.randn(2, 300, 16, generator=draw) for _ in range(2))
    stacked = begin_from_samples(reads, writes, 256, 4.0, draw, "plt", places=[0, 1])
    for encoder in stacked.encoder:
        assert len(encoder.unique(dim=0)) == 256


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel"])
def test_features_begin_as_neurons(architecture):
    model = tiny_model(architecture)
    run, _ = begin(model, settings(begin="neurons", features=64))
    group = run.groups[0]
    folded = group.normalization.folded(group.stacked)
    for place, layer in enumerate(model.layers):
        assert layer.neurons is not None
        down = torch.nn.functional.normalize(layer.neurons.down.weight.float().T, dim=1)
        decoder = torch.nn.functional.normalize(folded.decoder[place], dim=1)
        up = torch.nn.functional.normalize(layer.neurons.up.weight.float(), dim=1)
        reads = up
        if layer.neurons.gate is not None:
            gate = torch.nn.functional.normalize(layer.neurons.gate.weight.float(), dim=1)
            reads, down = torch.cat([gate + up, gate - up]), torch.cat([down, -down])
        found = (down @ decoder.T).max(1)
        torch.testing.assert_close(found.values, torch.ones(len(down)), atol=1e-4, rtol=0)
        encoder = folded.encoder[place, found.indices]
        cosine = torch.nn.functional.cosine_similarity(encoder, reads, dim=1)
        torch.testing.assert_close(cosine, torch.ones(len(down)), atol=1e-4, rtol=0)
    norms = group.stacked.encoder.norm(dim=2)
    torch.testing.assert_close(norms, torch.full_like(norms, BEGIN_NORM))
    torch.testing.assert_close(group.stacked.decoder_norms(), torch.ones_like(norms))


def test_fewer_features_than_neurons_are_those_that_write_most():
    run, _ = begin(tiny_model("GPT2LMHeadModel"), settings(begin="neurons", features=12))
    assert run.groups[0].stacked.n_features == 12 < D_MLP
    fvu = [float(run.advance().fvu.mean()) for _ in range(30)]
    assert fvu[-1] < fvu[0]


def test_experts_cannot_be_begun_from():
    model = tiny_model("MixtralForCausalLM")
    with pytest.raises(ClewError, match="mixture of experts"):
        check_model(model, range(3), settings(begin="neurons"), 2**40)


def test_the_wanted_number_of_features_falls_to_the_target():
    wanted = [wanted_l0(40, done / 100, 4608, 5000) for done in range(101)]
    assert wanted[0] == pytest.approx(160)
    assert all(later <= sooner for sooner, later in pairwise(wanted))
    assert wanted[25:] == [40] * 76
    assert wanted_l0(40, 0, 200, 5000) == pytest.approx(50)
    assert wanted_l0(40, 0, 80, 5000) == pytest.approx(40)
    assert wanted_l0(40, 0, 4608, 200) == pytest.approx(80)
    assert wanted_l0(40, 0, 4608, 60) == 40
