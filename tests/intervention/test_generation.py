"""The model goes on: the same with and without a cache, from the first generated token on."""

from __future__ import annotations

import pytest
import torch

from clew.errors import ClewError
from clew.feature import Feature
from clew.intervention.generation import generate_tokens
from clew.intervention.intervention import From, Intervention, Positions
from clew.intervention.settings import GenerationSettings
from clew.model.language_model import LanguageModel
from tests.intervention.keyword_calls import intervene, prepare
from tests.random_transcoders import random_transcoders
from tests.tiny import CONFIG_BY_ARCHITECTURE, random_ids, tiny_model

IDS = random_ids(6).tolist()
EVERY = [Feature(0, index) for index in range(7)]


def generate(
    model: LanguageModel,
    positions: Positions | None = "all",
    value: float = 4.0,
    *,
    max_tokens: int = 8,
    strengths: tuple[float, ...] = (1.0,),
    temperature: float = 0.0,
    seed: int = 0,
    cache: bool = True,
):
    changes = [Intervention(EVERY, positions, "set", value)]
    setting = prepare(model, random_transcoders(model, "CLT ReLU"), IDS, changes, strengths=strengths)
    settings = GenerationSettings(max_tokens, temperature=temperature, seed=seed, cache=cache)
    return generate_tokens(setting, settings)


def without_end(architecture: str) -> LanguageModel:
    """A tiny model that never says that the text has ended."""
    model = tiny_model(architecture)
    model.tokenizer.eos_token = None
    model.network.generation_config.eos_token_id = None
    return model


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_the_cache_changes_no_token(architecture: str):
    model = without_end(architecture)
    for temperature in (0, 1.5):
        cached = generate(model, strengths=(1, -2), temperature=temperature, seed=3)
        assert cached == generate(model, strengths=(1, -2), temperature=temperature, seed=3, cache=False)
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
    for temperature in (0, 1):
        before, *together = generate(model, strengths=(-2, 1, 3), temperature=temperature, seed=5)
        for each in together:
            assert each.strength is not None
            alone = generate(model, strengths=(each.strength,), temperature=temperature, seed=5)
            assert alone == (before, each)


def test_a_seed_draws_the_same_and_another_does_not():
    model = without_end("LlamaForCausalLM")
    drawn = [generate(model, temperature=2.0, seed=seed, max_tokens=12) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert drawn[0] != generate(model, max_tokens=12)


def test_the_lowest_temperature_takes_the_likeliest():
    model = without_end("LlamaForCausalLM")
    assert generate(model, temperature=1e-320) == generate(model)


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
    with pytest.raises(ClewError, match=r"^max_tokens must be a whole number from 1, not 0\.$"):
        generate(model, max_tokens=0)
    with pytest.raises(ClewError, match=r"^6 tokens of prompt and 59 more exceed the model's 64\.$"):
        generate(model, max_tokens=59)
    for count in (2.5, True, "2"):
        with pytest.raises(ClewError, match=rf"^max_tokens must be a whole number from 1, not {count!r}\.$"):
            generate(model, max_tokens=count)  # type: ignore[arg-type]
    for temperature in (-1, float("nan"), float("inf"), "1"):
        with pytest.raises(ClewError, match=r"^temperature must be a number from 0, not"):
            generate(model, temperature=temperature)  # type: ignore[arg-type]
    setting = prepare(model, random_transcoders(model, "CLT ReLU"), IDS, [], layers=range(0, 2))
    with pytest.raises(ClewError, match=r"^A range of layers holds MLPs on the prompt alone"):
        generate_tokens(setting, GenerationSettings(3))


def test_a_position_of_a_generated_token_changes_that_one_alone():
    model = without_end("LlamaForCausalLM")
    dictionary = random_transcoders(model, "CLT ReLU")
    for positions in (6, [7], slice(6, 8), From(7)):
        changes = [Intervention(EVERY, positions, "set", 4.0)]
        setting = prepare(model, dictionary, IDS, changes, generated=6)
        before, after = generate_tokens(setting, GenerationSettings(6))
        assert after.token_ids == generate_tokens(setting, GenerationSettings(6, cache=False))[1].token_ids
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
    (only,) = generate_tokens(setting, GenerationSettings(3))
    assert only == generate(model, max_tokens=3)[0]
    same = generate(model, max_tokens=3, strengths=(0,))[1]
    assert (repr(same), same.text) == (f'Generation(strength 0: "{only.text}")', only.text)


def test_its_repr_is_its_text():
    model = without_end("LlamaForCausalLM")
    before, after = generate(model, max_tokens=2)
    assert repr(before) == f'Generation(unchanged: "{before.text}")'
    assert repr(after) == f'Generation(strength 1: "{after.text}")'
