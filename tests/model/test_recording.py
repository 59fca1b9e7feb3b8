"""Recording leaves the logits as they are, and its parts of the stream add up."""

from __future__ import annotations

import pytest
import torch

from clew.model.anatomy import ANATOMIES
from clew.model.recording import record
from tests.real import GEMMA_ANSWERS, SMOLLM2_ANSWERS, real_model
from tests.tiny import CONFIG_BY_ARCHITECTURE, random_ids, tiny_model

architectures = pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))


def test_every_architecture_of_the_table_is_tested():
    assert {name.split(",")[0] for name in CONFIG_BY_ARCHITECTURE} == set(ANATOMIES)


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
    config = model.text_config.to_dict()
    kinds = config.get("layer_types") or ["full_attention"] * model.n_layers
    if architecture == "MistralForCausalLM":
        kinds = ["sliding_attention"] * model.n_layers
    for kind, pattern in zip(kinds, record(model, random_ids(9)).pattern, strict=True):
        row, column = torch.meshgrid(torch.arange(9), torch.arange(9), indexing="ij")
        visible = column <= row
        if kind == "sliding_attention":
            visible &= row - column < config["sliding_window"]
        if kind == "chunked_attention":
            visible &= row // config["attention_chunk_size"] == column // config["attention_chunk_size"]
        assert (pattern[:, ~visible] == 0).all()
        assert (pattern[:, visible] > 0).all()
        if architecture == "GptOssForCausalLM":  # the rest goes to its learned sinks
            assert (pattern.sum(-1) < 1).all()
        else:
            torch.testing.assert_close(pattern.sum(-1), torch.ones(pattern.shape[:2]))


@architectures
def test_the_stream_is_the_sum_of_what_was_recorded(architecture):
    """The stream without the attention's output, which is the same before and after the MLP."""
    model = tiny_model(architecture)
    recording, inputs = record(model, random_ids(7)), []
    layers = [layer.module for layer in model.layers]
    after = [layer.register_forward_hook(lambda module, args, out: inputs.append(out)) for layer in layers]
    model.next_token_logits(recording.token_ids[None])
    for hook in after:
        hook.remove()
    outputs = [out[0] if isinstance(out, tuple) else out for out in inputs]
    before = recording.embedding
    for layer, output in enumerate(outputs):
        if model.parallel_blocks:
            torch.testing.assert_close(recording.residual_mid[layer], before)
        else:
            found = recording.residual_mid[layer] + recording.mlp_write[layer]
            torch.testing.assert_close(found, output[0])
        before = output[0]


@architectures
def test_weights_are_views_of_the_models_own(architecture):
    for layer in tiny_model(architecture).layers:
        projections = [layer.output, layer.value]
        if layer.neurons is not None:
            parts = layer.neurons
            projections += [part for part in (parts.gate, parts.up, parts.down) if part is not None]
        for projection in projections:
            own = projection.module.weight
            assert isinstance(own, torch.Tensor)
            shares = projection.weight.untyped_storage().data_ptr() == own.untyped_storage().data_ptr()
            # Rows that lie apart cannot be one matrix without a copy.
            assert shares != (architecture.startswith("GPTNeoX") and projection is layer.value)


def test_hooks_are_gone_after_an_error():
    model = tiny_model("LlamaForCausalLM")
    with pytest.raises(IndexError):
        record(model, torch.tensor([10_000]))
    assert not any(module._forward_hooks for module in model.network.modules())
