"""A model writes on behind beginnings, as it would without a cache."""

from __future__ import annotations

import pytest
import torch

from clew.errors import ClewError
from clew.model.anatomy import ANATOMIES
from clew.model.language_model import LanguageModel
from clew.training.text.own_text import drawn_tokens, most_likely, write_texts
from tests.model.configurations import configured, rope_changes
from tests.tiny import Shape, tiny_model, word_tokenizer

BEGINNINGS = [[], [5], [7, 8, 9], [11, 12], list(range(2, 30))]


def written(model, **changes):
    options = {"n_texts": 7, "n_tokens": 12, "first_token": 0, "seed": 0, "batch": 3, **changes}
    return write_texts(model, options.pop("beginnings", BEGINNINGS), **options)


def greedy_without_cache(model, beginning, n_tokens):
    ids = [0, *beginning][:n_tokens]
    while len(ids) < n_tokens:
        logits = model.next_token_logits(torch.tensor([ids]))[0]
        ids.append(int(logits.where(drawn_tokens(model), -torch.inf).argmax()))
    return ids


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "Gemma2ForCausalLM", "GPT2LMHeadModel"])
def test_the_most_likely_tokens_are_those_without_a_cache(architecture):
    model = tiny_model(architecture)
    texts = written(model, temperature=0)
    for row, beginning in zip(texts, [*BEGINNINGS, *BEGINNINGS], strict=False):
        assert row.tolist() == greedy_without_cache(model, beginning, 12)
    assert torch.equal(written(model, temperature=1e-6), texts)


@pytest.mark.parametrize("rope", ["longrope", "dynamic"])
def test_across_a_change_of_rotation(rope):
    for changes in rope_changes("LlamaForCausalLM", rope):
        network = configured("LlamaForCausalLM", changes)
        model = LanguageModel("tiny", network, word_tokenizer(), ANATOMIES["LlamaForCausalLM"])
        texts = written(model, temperature=0, n_tokens=20, n_texts=2)
        for row, beginning in zip(texts, BEGINNINGS, strict=False):
            assert row.tolist() == greedy_without_cache(model, beginning, 20)


def test_beginnings_are_kept_and_taken_in_turn():
    texts = written(tiny_model("LlamaForCausalLM"))
    assert texts.shape == (7, 12)
    assert texts.dtype == torch.int32
    for row, beginning in zip(texts.tolist(), [*BEGINNINGS, *BEGINNINGS], strict=False):
        known = [0, *beginning][:12]
        assert row[: len(known)] == known


def test_a_seed_gives_texts():
    model = tiny_model("LlamaForCausalLM")
    assert torch.equal(written(model), written(model))
    assert not torch.equal(written(model), written(model, seed=1))
    assert not torch.equal(written(model)[0], written(model)[5])  # same beginning, other draws


def test_draws_have_the_models_probabilities():
    model = tiny_model("LlamaForCausalLM")
    second = written(model, beginnings=[], n_texts=20_000, n_tokens=2, batch=20_000, temperature=0.7)[:, 1]
    logits = model.next_token_logits(torch.tensor([[0]]))[0].where(drawn_tokens(model), -torch.inf)
    expected = (logits / 0.7).softmax(-1)
    share = torch.bincount(second, minlength=len(expected)) / len(second)
    assert torch.all((share - expected).abs() < 5 * (expected / len(second)).sqrt() + 1e-4)


def test_special_tokens_and_rows_without_a_token_are_never_drawn():
    model = tiny_model("LlamaForCausalLM", Shape(vocabulary=70))  # the tokenizer has 61
    drawn = list(range(3, 61))  # w2 stands for unknown words
    assert drawn_tokens(model).nonzero().flatten().tolist() == drawn
    texts = written(model, n_texts=500, batch=500, beginnings=[[]], temperature=3.0)[:, 1:]
    assert set(texts.flatten().tolist()) == set(drawn)


def test_top_p_leaves_the_most_likely_tokens():
    probability = torch.tensor([[0.1, 0.5, 0.15, 0.25], [0.97, 0.01, 0.01, 0.01]])
    assert torch.equal(most_likely(probability, 0.7), torch.tensor([[0, 0.5, 0, 0.25], [0.97, 0, 0, 0]]))
    model = tiny_model("LlamaForCausalLM")
    assert torch.equal(written(model, top_p=1e-6), written(model, temperature=0))


def test_progress_counts_texts():
    steps = []
    written(tiny_model("LlamaForCausalLM"), on_step=lambda done, total: steps.append((done, total)))
    assert steps == [(3, 7), (6, 7), (7, 7)]


def test_texts_beyond_the_context_are_refused():
    with pytest.raises(ClewError, match="Texts of 65 tokens exceed the 64 that tiny reads"):
        written(tiny_model("LlamaForCausalLM"), n_tokens=65)


def test_numbers_that_are_not_finite_are_refused():
    model = tiny_model("LlamaForCausalLM")
    model.layers[1].value.weight[0, 0] = torch.nan
    with pytest.raises(ClewError, match="hold numbers that are not finite"):
        written(model)
