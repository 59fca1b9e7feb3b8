"""The model goes on: the same with and without a cache, from the first generated token on."""

from __future__ import annotations

import pytest
import torch

from clew.errors import ClewError
from clew.intervention.generation import Sampling, generate_tokens
from clew.intervention.intervene import intervene, prepare
from clew.intervention.intervention import Feature, From, Intervention, Positions
from clew.model.language_model import LanguageModel
from tests.random_transcoders import random_transcoders
from tests.tiny import CONFIG_BY_ARCHITECTURE, random_ids, tiny_model

IDS = random_ids(6).tolist()
GREEDY = Sampling()
EVERY = [Feature(0, index) for index in range(7)]


def generate(
    model: LanguageModel,
    positions: Positions | None = "all",
    value: float = 4.0,
    *,
    count: int = 8,
    strengths: tuple[float, ...] = (1.0,),
    sampling: Sampling = GREEDY,
    cache: bool = True,
):
    changes = [Intervention(EVERY, positions, "set", value)]
    setting = prepare(model, random_transcoders(model, "CLT ReLU"), IDS, changes, strengths=strengths)
    return generate_tokens(setting, count, sampling, cache=cache)


def without_end(architecture: str) -> LanguageModel:
    """A tiny model that never says that the text has ended."""
    model = tiny_model(architecture)
    model.tokenizer.eos_token = None
    model.network.generation_config.eos_token_id = None
    return model


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_the_cache_changes_no_token(architecture: str):
    model = without_end(architecture)
    for sampling in (Sampling(), Sampling(temperature=1.5, seed=3)):
        cached = generate(model, strengths=(1, -2), sampling=sampling)
        assert cached == generate(model, strengths=(1, -2), sampling=sampling, cache=False)
        assert [each.strength for each in cached] == [None, 1, -2]
        assert all(len(each.token_ids) == 8 for each in cached)


def test_the_unchanged_continuation_is_that_of_the_model():
    model = without_end("LlamaForCausalLM")
    before, after = generate(model)
    ids = list(IDS)
    for _ in range(8):
        ids.append(int(model.next_token_logits(torch.tensor([ids]))[0].argmax()))
    assert before.token_ids == tuple(ids[len(IDS) :])
    assert after.token_ids != before.token_ids
    assert before.text == " ".join(before.tokens)


def test_each_token_is_that_of_an_intervention_on_the_text_so_far():
    """From the first generated token on: its position is the prompt's length."""
    model = without_end("Qwen3ForCausalLM")
    dictionary = random_transcoders(model, "CLT ReLU")
    for positions in ("all", From(6), From(3), None):
        _, after = generate(model, positions)
        for number in range(8):
            text = [*IDS, *after.token_ids[:number]]
            (result,) = intervene(model, dictionary, text, [Intervention(EVERY, positions, "set", 4.0)])
            assert int(result.logits_after[-1].argmax()) == after.token_ids[number]


def test_a_change_of_the_prompt_alone_ends_with_it():
    model = without_end("LlamaForCausalLM")
    dictionary = random_transcoders(model, "CLT ReLU")
    _, after = generate(model, slice(0, 6))
    text = [*IDS, *after.token_ids[:3]]
    (result,) = intervene(model, dictionary, text, [Intervention(EVERY, slice(0, 6), "set", 4.0)])
    assert int(result.logits_after[-1].argmax()) == after.token_ids[3]


def test_strengths_side_by_side_are_those_one_by_one():
    model = without_end("Gemma2ForCausalLM")
    for sampling in (Sampling(), Sampling(temperature=1.0, seed=5)):
        before, *together = generate(model, strengths=(-2, 1, 3), sampling=sampling)
        for each in together:
            assert each.strength is not None
            assert generate(model, strengths=(each.strength,), sampling=sampling) == (before, each)


def test_a_seed_draws_the_same_and_another_does_not():
    model = without_end("LlamaForCausalLM")
    drawn = [generate(model, sampling=Sampling(2.0, seed), count=12) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert drawn[0] != generate(model, count=12)


def test_a_text_ends_where_the_model_ends_it():
    model = without_end("LlamaForCausalLM")
    before, after = generate(model)
    model.network.generation_config.eos_token_id = [before.token_ids[3]]
    shorter, _ = generate(model)
    assert shorter.token_ids == before.token_ids[: before.token_ids.index(before.token_ids[3])]
    model.network.generation_config.eos_token_id = None
    model.tokenizer.eos_token = model.token_text(after.token_ids[0])
    assert generate(model)[1].token_ids == ()
    assert generate(model)[1].text == ""


def test_what_cannot_be_generated_is_refused():
    model = tiny_model("LlamaForCausalLM")
    with pytest.raises(
        ClewError, match=r"^The number of tokens to generate is a whole number from 1, not 0\.$"
    ):
        generate(model, count=0)
    with pytest.raises(ClewError, match=r"^6 tokens of prompt and 59 more exceed the model's 64\.$"):
        generate(model, count=59)
    for count in (2.5, True, "2"):
        with pytest.raises(
            ClewError, match=rf"^The number of tokens to generate is a whole .* not {count!r}\.$"
        ):
            generate(model, count=count)  # type: ignore[arg-type]
    for temperature in (-1, float("nan"), float("inf"), "1"):
        with pytest.raises(ClewError, match=r"^A temperature is 0 or above, not"):
            Sampling(temperature)  # type: ignore[arg-type]
    setting = prepare(model, random_transcoders(model, "CLT ReLU"), IDS, [], layers=range(0, 2))
    with pytest.raises(ClewError, match=r"^A range of layers holds MLPs on the prompt alone"):
        generate_tokens(setting, 3)


def test_a_position_of_a_generated_token_changes_that_one_alone():
    model = without_end("LlamaForCausalLM")
    dictionary = random_transcoders(model, "CLT ReLU")
    for positions in (6, [7], slice(6, 8), From(7)):
        changes = [Intervention(EVERY, positions, "set", 4.0)]
        setting = prepare(model, dictionary, IDS, changes, generated=6)
        before, after = generate_tokens(setting, 6)
        assert after.token_ids == generate_tokens(setting, 6, cache=False)[1].token_ids
        assert after.token_ids[0] == before.token_ids[0]
        for number in range(2, 6):
            text = [*IDS, *after.token_ids[:number]]
            (result,) = intervene(model, dictionary, text, changes)
            assert int(result.logits_after[-1].argmax()) == after.token_ids[number]
    with pytest.raises(ClewError, match=r"^There is no position 6; the prompt has positions 0 to 5\.$"):
        prepare(model, dictionary, IDS, [Intervention(EVERY, 6)])


def test_without_changes_there_is_one_text():
    model = without_end("LlamaForCausalLM")
    setting = prepare(model, random_transcoders(model, "CLT ReLU"), IDS, [], strengths=[1, 2])
    (only,) = generate_tokens(setting, 3)
    assert only == generate(model, count=3)[0]
    same = generate(model, count=3, strengths=(0,))[1]
    assert (repr(same), same.text) == (f'Generation(strength 0: "{only.text}")', only.text)


def test_its_repr_is_its_text():
    model = without_end("LlamaForCausalLM")
    before, after = generate(model, count=2)
    assert repr(before) == f'Generation(unchanged: "{before.text}")'
    assert repr(after) == f'Generation(strength 1: "{after.text}")'
