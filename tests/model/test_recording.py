"""Recording changes nothing and misses nothing: logits stay, the parts of the stream add up."""

from __future__ import annotations

import pytest
import torch

from clew.model.anatomy import ANATOMIES
from clew.model.recording import record
from tests.real import GEMMA_ANSWERS, SMOLLM2_ANSWERS, real_model
from tests.tiny import random_ids, tiny_model

architectures = pytest.mark.parametrize("architecture", sorted(ANATOMIES))


def plain_logits(model, ids: torch.Tensor) -> torch.Tensor:
    """The untouched network with transformers' own default attention (Gemma 2 has only the eager one)."""
    network = model.network
    network.set_attn_implementation("sdpa" if network._supports_sdpa else "eager")
    try:
        with torch.no_grad():
            return network(input_ids=ids[None], use_cache=False).logits[0, -1]
    finally:
        network.set_attn_implementation("eager")


@architectures
def test_logits_while_recording_equal_the_plain_models(architecture):
    model, ids = tiny_model(architecture), random_ids(11)
    torch.testing.assert_close(record(model, ids).logits, plain_logits(model, ids), atol=1e-4, rtol=0)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "prompt"), [("smollm2", SMOLLM2_ANSWERS[0][0]), ("gemma3-270m", GEMMA_ANSWERS[0][0])]
)
def test_logits_while_recording_equal_the_real_models(name, prompt):
    model = real_model(name)
    ids = torch.tensor(model.tokenizer.encode(prompt))
    torch.testing.assert_close(record(model, ids).logits, plain_logits(model, ids), atol=1e-4, rtol=0)


@architectures
def test_patterns_are_causal_and_respect_sliding_windows(architecture):
    model = tiny_model(architecture)
    window = model.network.config.to_dict().get("sliding_window")
    kinds = model.network.config.to_dict().get("layer_types") or ["full_attention"] * model.n_layers
    if architecture == "MistralForCausalLM":
        kinds = ["sliding_attention"] * model.n_layers
    for kind, pattern in zip(kinds, record(model, random_ids(9)).pattern, strict=True):
        row, column = torch.meshgrid(torch.arange(9), torch.arange(9), indexing="ij")
        visible = column <= row
        if kind == "sliding_attention":
            visible &= row - column < window
        assert (pattern[:, ~visible] == 0).all()
        assert (pattern[:, visible] > 0).all()
        torch.testing.assert_close(pattern.sum(-1), torch.ones(pattern.shape[:2]))


def test_hooks_are_gone_after_an_error():
    model = tiny_model("LlamaForCausalLM")
    with pytest.raises(IndexError):
        record(model, torch.tensor([10_000]))
    assert not any(module._forward_hooks for module in model.network.modules())
