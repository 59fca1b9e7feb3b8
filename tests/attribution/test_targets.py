"""The choice of the outputs to explain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from clew.attribution.targets import likeliest_targets, named_targets
from clew.attribution.trace import TraceSettings, trace
from clew.dictionary.neurons import NeuronDictionary
from clew.errors import ClewError
from clew.model.recording import record
from clew.options import check_options
from tests.tiny import Shape, random_ids, tiny_model
from tests.tokenizers import KINDS, WORDS, finished

MODEL = tiny_model("LlamaForCausalLM")
RECORDING = record(MODEL, random_ids(5))
PROBABILITY = RECORDING.logits.softmax(-1)


def test_the_likeliest_tokens_until_they_reach_the_probability():
    targets = likeliest_targets(MODEL, RECORDING, count=60, probability=0.5)
    total = sum(target.weight for target in targets)
    assert total >= 0.5 > total - targets[-1].weight
    assert [target.token_id for target in targets] == PROBABILITY.topk(len(targets)).indices.tolist()


def test_at_most_so_many():
    assert len(likeliest_targets(MODEL, RECORDING, count=3, probability=0.999)) == 3


def test_text_ids_and_differences():
    text, number, difference = named_targets(MODEL, RECORDING, ["w7", 9, "w7 minus w9"])
    assert (text.token_id, number.token_id) == (7, 9)
    assert text.weight == pytest.approx(float(PROBABILITY[7]))
    assert (difference.text, difference.token_id, difference.minus_id) == ("w7 minus w9", 7, 9)
    assert difference.weight == 1


def test_ids_may_stand_wherever_a_text_may():
    requests = ["id:7", "id:7 minus id:9", "w3 minus id:9", '"w4" minus  w5', np.int64(8), '"w6"', " w10"]
    targets = named_targets(MODEL, RECORDING, requests)
    ids = [(target.token_id, target.minus_id) for target in targets]
    assert ids == [(7, None), (7, 9), (3, 9), (4, 5), (8, None), (6, None), (10, None)]
    assert [target.text for target in targets][:4] == ["w7", "w7 minus w9", "w3 minus w9", "w4 minus w5"]


def with_tokenizer(kind):
    return replace(
        tiny_model("LlamaForCausalLM", Shape(n_layers=1, vocabulary=400)), tokenizer=finished(KINDS[kind]())
    )


@pytest.mark.parametrize("kind", ["byte level", "byte fallback", "no space in front", "unigram"])
def test_a_word_is_found_with_its_space_and_without(kind):
    model = with_tokenizer(kind)
    recording = record(model, random_ids(5))
    probability = recording.logits.softmax(-1)
    for word in WORDS:
        (spaced,), (bare,) = model.vocabulary.ids_of(" " + word), model.vocabulary.ids_of(word)
        likelier = max(spaced, bare, key=lambda token: float(probability[token]))
        for request, expected in ((" " + word, spaced), (word, likelier), (f'" {word}"', spaced)):
            (target,) = named_targets(model, recording, [request])
            assert (target.token_id, target.text) == (expected, model.token_text(expected))
    with pytest.raises(ClewError, match=r"id:[0-9]+ .* only the next token can be explained, so name id:"):
        named_targets(model, recording, ["Paris Rome"])


@pytest.mark.parametrize("kind", ["byte level", "byte fallback"])
def test_tokens_that_are_no_text_are_different_targets(kind):
    """Every id is its own target, whatever it looks like; bytes are named as they are spelled."""
    model = with_tokenizer(kind)
    recording = record(model, random_ids(5))
    everything = named_targets(model, recording, [f"id:{token}" for token in range(400)])
    assert [target.token_id for target in everything] == list(range(400))
    assert all("\ufffd" not in target.text for target in everything)
    (part,) = named_targets(model, recording, ["<0xE2>"])
    assert model.token_text(part.token_id) == "<0xE2>"
    assert model.tokenizer.convert_ids_to_tokens(part.token_id) in ("â", "<0xE2>")


def test_of_tokens_that_are_spelled_alike_the_likelier_one_is_meant():
    model = with_tokenizer("byte fallback")
    recording = record(model, random_ids(5))
    ids = model.vocabulary.ids_of("a")
    assert len(ids) == 2
    probability = recording.logits.softmax(-1)
    (target,) = named_targets(model, recording, ["a"])
    assert target.token_id == max(
        [*ids, *model.vocabulary.ids_of(" a")], key=lambda token: float(probability[token])
    )
    both = trace(model, NeuronDictionary(model), [3, 4], TraceSettings(targets=list(ids), max_nodes=5))
    assert [target.token_id for target in both.info.targets] == sorted(ids)
    assert len(set(both.node_ids)) == both.n_nodes


@pytest.mark.parametrize(
    ("requests", "complaint"),
    [
        ([""], "empty"),
        (["w7 w8"], "is not one token of this model but 2"),
        ([61], "not in the vocabulary"),
        (["w7", 7], r"w7. \(id 7\) is named twice"),
        (["id:7", "w7"], "named twice"),
        (["id:7 minus 9"], "no token of this model"),
        (["w7 minus w9", "id:7 minus id:9"], r"\(id 7 minus id 9\) is named twice"),
        (["w3 minus id:61"], "Target id 61 is not in the vocabulary"),
        (["W7"], r"is no token of this model; its tokenizer makes id:2 .w2. of it"),
        (["\n"], "is no token of this model; name another"),
        (["caf\udce9"], r"is not UTF-8 text \(byte 0xE9 at character 4\)"),
        (["w7 minus \udce9"], "is not UTF-8 text"),
        ([7.0], "7.0 is not a target"),
        ([True], "True is not a target"),
        (["w7 minus w7"], "a token and itself"),
    ],
)
def test_what_cannot_be_a_target_is_refused_in_a_sentence(requests, complaint):
    with pytest.raises(ClewError, match=complaint):
        named_targets(MODEL, RECORDING, requests)


@pytest.mark.parametrize(("count", "probability"), [(0, 0.9), (3, 0.0), (3, 1.5)])
def test_limits_out_of_range_are_refused(count, probability):
    with pytest.raises(ClewError, match="must be a"):
        check_options(TraceSettings(max_targets=count, target_probability=probability))


def test_a_soft_cap_is_left_out_of_the_row():
    from clew.attribution.linear_map import LinearMap
    from clew.attribution.targets import output_targets

    model = tiny_model("Gemma2ForCausalLM")
    recording = record(model, random_ids(5))
    outputs = output_targets(LinearMap(model, recording), named_targets(model, recording, ["w7 minus w9"]))
    cap = model.network.config.final_logit_softcapping
    uncapped = cap * torch.atanh(recording.logits / cap)
    assert float(outputs.total[0]) == pytest.approx(float(uncapped[7] - uncapped[9]), rel=1e-3)


def test_one_target_needs_no_list_and_targets_stand_in_node_order():
    one = trace(MODEL, NeuronDictionary(MODEL), [3, 4], TraceSettings(targets="w7", max_nodes=5))
    assert [target.text for target in one.info.targets] == ["w7"]
    several = trace(MODEL, NeuronDictionary(MODEL), [3, 4], TraceSettings(targets=[9, "w7", "w7 minus w9"]))
    assert [target.text for target in several.info.targets] == ["w7 minus w9", "w7", "w9"]
