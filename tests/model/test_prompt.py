"""Prompts become token ids with a sink; wrong prompts are refused."""

from __future__ import annotations

import pytest
import torch

from clew.errors import ClewError
from clew.model.prompt import encode_prompt
from tests.tiny import CONFIG_BY_ARCHITECTURE, tiny_model

LLAMA = "LlamaForCausalLM"


def test_the_user_may_name_a_sink_or_none():
    model = tiny_model(LLAMA)
    named = encode_prompt(model, "w5 w9", sink="w7")
    assert named.token_ids.tolist() == [7, 5, 9]
    none = encode_prompt(model, "w5 w9", sink="none")
    assert (none.token_ids.tolist(), none.sink, none.first_position) == ([5, 9], None, 0)


def test_a_prompt_of_ids_is_taken_as_it_is():
    model = tiny_model(LLAMA)
    prompt = encode_prompt(model, [4, 8, 3])
    assert prompt.sink is not None
    assert (prompt.token_ids.tolist(), prompt.sink.token_id, prompt.tokens[1]) == ([4, 8, 3], 4, "w8")
    assert encode_prompt(model, [4, 8, 3], sink="none").sink is None


def test_a_special_token_typed_first_is_the_sink():
    prompt = encode_prompt(tiny_model(LLAMA), "<b> w5 w9")
    assert prompt.sink is not None
    assert (prompt.token_ids.tolist(), prompt.sink.text) == ([1, 5, 9], "<b>")


@pytest.mark.parametrize(
    ("prompt", "sink", "complaint"),
    [
        ("", None, "prompt is empty"),
        ("   ", None, "has no tokens"),
        ([], None, "prompt is empty"),
        ([3, 999], None, "Token id 999 is not in the vocabulary"),
        ([3, -1], None, "Token id -1"),
        ("w5 " * 70, None, "71 tokens long, but tiny reads at most 64; shorten it"),
        ([5] * 70, None, "70 tokens long"),
        ("w5", "w6 w7", "is not one token"),
        ([5, 6], "w7", "is its first id"),
    ],
)
def test_what_cannot_be_a_prompt_is_refused_in_a_sentence(prompt, sink, complaint):
    with pytest.raises(ClewError, match=complaint):
        encode_prompt(tiny_model(LLAMA), prompt, sink)


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_the_sink_is_chosen_and_the_length_checked_on_every_architecture(architecture):
    model, words = tiny_model(architecture), [3, 4, 5]
    prompt = encode_prompt(model, "w3 w4 w5")
    assert prompt.sink is not None
    assert prompt.sink.kl is not None
    plain = model.next_token_logits(torch.tensor([words])).log_softmax(-1)
    changed = model.next_token_logits(torch.tensor([[prompt.sink.token_id, *words]])).log_softmax(-1)
    assert float((plain.exp() * (plain - changed)).sum()) == pytest.approx(prompt.sink.kl, abs=1e-5)
    with pytest.raises(ClewError, match="reads at most 64"):
        encode_prompt(model, [3] * 65)
