"""The choice of the outputs to explain."""

from __future__ import annotations

import pytest
import torch

from clew.attribution.targets import likeliest_targets, named_targets
from clew.attribution.trace import TraceSettings, trace
from clew.dictionary.neurons import NeuronDictionary
from clew.errors import ClewError
from clew.model.recording import record
from clew.options import check_options
from tests.tiny import random_ids, tiny_model

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


@pytest.mark.parametrize(
    ("requests", "complaint"),
    [
        ([""], "empty"),
        (["w7 w8"], "is not one token of this model but 2"),
        ([61], "not in the vocabulary"),
        (["w7", 7], "named twice"),
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
