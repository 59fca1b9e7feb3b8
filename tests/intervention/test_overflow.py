"""Changes that float32 cannot hold are refused by name, and disturb nothing else."""

from __future__ import annotations

import pytest
import torch

from clew.errors import ClewError
from clew.feature import Feature
from clew.intervention.generation import generate_tokens
from clew.intervention.intervention import From, Intervention
from clew.intervention.residual_writes import LargestChange
from clew.intervention.settings import GenerationSettings
from tests.intervention.keyword_calls import intervene, prepare
from tests.random_transcoders import random_transcoders
from tests.tiny import random_ids, tiny_model

IDS = random_ids(6).tolist()
REGIMES = ["direct", "frozen-attention", "free"]
MEANS_NOTHING = "too large for float32: the model's output would mean nothing; make a smaller change\\."


@pytest.mark.parametrize("regime", REGIMES)
def test_a_change_that_overflows_is_refused_by_name(regime: str):
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "PLT ReLU")
    change = Intervention(Feature(0, 2), 3, "set", 3e38)
    at = r"L0/2@3 changes by more than 3\.4e\+38 at strength 2"
    with pytest.raises(ClewError, match=rf"^{at}, {MEANS_NOTHING}$"):
        intervene(model, dictionary, IDS, [change], regime=regime, strengths=[0.0, 1e-30, 2])


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel", "Gemma2ForCausalLM"])
@pytest.mark.parametrize("regime", REGIMES[1:])
def test_what_a_norm_cannot_square_is_refused_although_it_is_finite(architecture: str, regime: str):
    """It would make the norm write zeros: a model that answers, but with nothing."""
    model = tiny_model(architecture)
    dictionary = random_transcoders(model, "CLT ReLU")
    change = Intervention(Feature(0, 2), 3, "set", 1e21)
    with pytest.raises(ClewError, match=rf"^L0/2@3 changes by 1e\+21, {MEANS_NOTHING}$"):
        intervene(model, dictionary, IDS, [change], regime=regime)
    (held,) = intervene(model, dictionary, IDS, [change], regime="direct")
    assert held.logits_after.isfinite().all()


@pytest.mark.parametrize("regime", REGIMES)
def test_a_large_strength_disturbs_no_other(regime: str):
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "PLT ReLU")
    change = Intervention(Feature(0, 2), 3, "set", 1e5)
    small, large = intervene(model, dictionary, IDS, [change], regime=regime, strengths=[1e-4, 1e9])
    (alone,) = intervene(model, dictionary, IDS, [change], regime=regime, strengths=[1e-4])
    torch.testing.assert_close(small.logits_after, alone.logits_after, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(large.logits_before, alone.logits_before)
    assert torch.equal(large.logits_before[:3], large.logits_after[:3])  # positions before the change


def test_generation_refuses_it_too():
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "PLT ReLU")
    change = Intervention(Feature(0, 2), From(6), "set", 3e38)
    with pytest.raises(ClewError, match=rf"^L0/2@6 changes by 3e\+38, {MEANS_NOTHING}$"):
        generate_tokens(prepare(model, dictionary, IDS, [change]), GenerationSettings(4))


def test_logits_that_say_nothing_are_refused():
    largest = LargestChange(torch.tensor([0.0, 2.0]))
    fine = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])
    largest.check_logits(fine)
    with pytest.raises(ClewError, match=r"^The model's output is not finite on this prompt, even without a"):
        largest.check_logits(fine * torch.nan)
    largest.update(4, torch.tensor([7]), torch.tensor([[[0.0]], [[-5.0]]]), start=3)
    for wrong in (torch.tensor([[[1.0, 2.0]], [[torch.inf, 1]]]), torch.tensor([[[1.0, 2.0]], [[0.0, 0.0]]])):
        with pytest.raises(ClewError, match=rf"^L4/7@3 changes by 5 at strength 2, {MEANS_NOTHING}$"):
            largest.check_logits(wrong)
    largest.check_logits(torch.zeros(2, 1, 3))  # a model that never says anything


def test_what_float32_cannot_hold_is_no_number():
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "PLT ReLU")
    with pytest.raises(ClewError, match=r"^A feature cannot be changed by 'set' with 1e\+300; give a finite"):
        prepare(model, dictionary, IDS, [Intervention(Feature(0, 2), 3, "set", 1e300)])
    with pytest.raises(ClewError, match=r"^A strength is a finite number, not 1e\+300\.$"):
        prepare(model, dictionary, IDS, [], strengths=[1e300])
