"""The swap test: a word's features get the values that they have with another word."""

from __future__ import annotations

import re

import pytest
import torch

from clew.errors import ClewError
from clew.facade import Model
from clew.graph.graph import Graph, NodeKind
from clew.graph.story.function_words import function_words_of
from clew.intervention.sibling_words import content_words, is_content_word
from tests.random_transcoders import random_transcoders
from tests.tiny import tiny_model

PROMPT = "w3 w4 w5 w6"


@pytest.fixture(scope="module")
def model() -> Model:
    language_model = tiny_model("LlamaForCausalLM")
    return Model(language_model, random_transcoders(language_model, "CLT ReLU"))


@pytest.fixture(scope="module")
def graph(model: Model) -> Graph:
    return model.trace(PROMPT)


def test_a_word_at_all_its_features_gives_what_the_other_prompt_has_there(model: Model, graph: Graph):
    test = model.swap_test(graph, word="w9", strengths=(1.0,))
    [result], [position] = test.results, test.positions
    assert graph.info.tokens[position] == test.word
    assert test.prompt[position] == test.sibling.token_id
    other = model.intervene(list(test.prompt)).features
    values = {
        (layer, at, index): value
        for layer, at, index, value in zip(
            *(getattr(other, name).tolist() for name in ("layer", "position", "index", "before")), strict=True
        )
    }
    for change in result.features.by_hand:
        there = values.get((change.layer, change.position, change.index), 0.0)
        assert change.after == pytest.approx(there, abs=1e-4)
    at_word = (graph.node_kind == NodeKind.FEATURE) & (graph.node_position == position)
    if position == len(graph.token_ids) - 1:  # the answer is said there in the upper layers
        at_word &= 2 * graph.node_layer < graph.n_layers
    assert len(test.features) == int(at_word.sum()) == len(result.features.by_hand)


def test_the_other_answer_is_that_of_the_prompt_with_the_other_word(model: Model, graph: Graph):
    test = model.swap_test(graph, word="w9")
    probability = model.language_model.next_token_logits(torch.tensor([test.prompt]))[0].softmax(-1)
    assert test.sibling.answer_id == int(probability.argmax())
    assert test.sibling.probability == pytest.approx(float(probability.max()), rel=1e-4)
    after = [test.probability_after(place) for place in range(5)]
    assert after[test.shown] >= 0.95 * max(after)
    assert re.match(r'SwapTest\(\d+ features at "w\d" with the values of "w9", strength ', repr(test))


def test_a_word_that_the_model_finds_changes_the_answer(model: Model, graph: Graph):
    test = model.swap_test(graph)
    own = int(model.language_model.next_token_logits(torch.from_numpy(graph.token_ids)[None])[0].argmax())
    assert test.siblings[0] == test.sibling
    assert all(each.answer_id != own and each.word != test.word for each in test.siblings)
    sure = [each.probability for each in test.siblings]
    assert sure == sorted(sure, reverse=True)


def test_a_group_is_swapped_by_its_name_at_its_own_word(model: Model, graph: Graph):
    features = graph.of_kind(NodeKind.FEATURE)
    at_two = [graph.node_id(node) for node in features.tolist() if graph.node_position[node] == 2][:5]
    named = graph.annotate(supernodes={"middle": at_two})
    test = model.swap_test(named, group="middle", word="w9")
    assert (test.group, test.positions, len(test.features)) == ("middle", (2,), len(at_two))
    assert {change.position for change in test.result.features.by_hand} == {2}


@pytest.mark.parametrize(
    ("word", "sentence"),
    [("w8 w9", "is 2 tokens and"), ("w4", "is the prompt's own word"), (" ", "0 tokens")],
)
def test_a_word_that_cannot_be_taken(model: Model, graph: Graph, word: str, sentence: str):
    with pytest.raises(ClewError, match=re.escape(sentence)):
        model.swap_test(graph, word=word)


def test_words_that_carry_meaning():
    words = (" France", " of", "The", "(", " C", "IA", "…", " hat")
    known = function_words_of(words)
    assert [word for word in words if is_content_word(word, known)] == [" France", "IA", " hat"]


def test_the_last_word_comes_last(graph: Graph):
    words = content_words(graph)
    assert words[-1] == [len(graph.token_ids) - 1]
    assert sorted(at for positions in words for at in positions) == [
        position
        for position, text in enumerate(graph.info.tokens)
        if is_content_word(text, function_words_of(graph.info.tokens))
    ]
