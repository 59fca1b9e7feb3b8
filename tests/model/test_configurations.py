"""What clew reads of a folder is what transformers computes, whatever the configuration says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from clew.attribution.settings import TraceSettings
from clew.attribution.trace import trace
from clew.dictionary.neurons import NeuronDictionary
from clew.errors import ClewError
from clew.intervention.result import kl_divergence
from clew.model.anatomy import ANATOMIES
from clew.model.language_model import LanguageModel
from clew.model.loading import load_language_model
from clew.model.recording import record
from tests.attribution.test_rows import assert_adds_up, assert_rows_equal_autograd, dictionary_for
from tests.model.configurations import (
    ACTIVATION,
    ORIGINAL,
    ROPE,
    SETTINGS,
    configured,
    kind_of,
    rope_changes,
    saved,
)
from tests.random_transcoders import random_transcoders
from tests.tiny import CONFIG_BY_ARCHITECTURE, random_ids, word_tokenizer

BELOW, ABOVE = ORIGINAL - 7, 2 * ORIGINAL + 3
"""Lengths of text on both sides of the original context."""


def plain_logits(network: Any, ids: torch.Tensor) -> torch.Tensor:
    """Logits of transformers' own model, with the attention that it takes by itself."""
    with torch.no_grad():
        return network(input_ids=ids[None], use_cache=False).logits[0, -1]


def assert_read_right(
    architecture: str, changes: dict[str, Any], folder: Path, lengths: tuple[int, ...] = (BELOW,)
) -> LanguageModel:
    """Logits, frozen parts and rows are those of the plain model, through a folder."""
    model = load_language_model(saved(configured(architecture, changes), folder), name="tiny")
    ids = random_ids(0)
    for length in lengths:
        ids = random_ids(length)
        plain = plain_logits(configured(architecture, changes), ids)  # one that has read nothing before
        recording = record(model, ids)
        assert kl_divergence(plain, recording.logits) <= 1e-6
        torch.testing.assert_close(recording.logits, plain, atol=1e-4, rtol=0)
        read = model.soft_capped(model.read_logits(recording.residual_final, recording.final_scale))
        assert kl_divergence(plain, read[-1]) <= 1e-6
        assert all(not pattern.triu(1).any() for pattern in recording.pattern)
    dictionary = dictionary_for(model, architecture)
    graph = trace(model, dictionary, ids.tolist(), TraceSettings(max_nodes=12, targets=[3, 7]))
    assert_adds_up(graph)
    if model.anatomy.soft_cap is not None:  # a target's row leaves it out, and the oracle does not
        setattr(model.text_config, model.anatomy.soft_cap, None)
    assert_rows_equal_autograd(model, graph, trained=getattr(dictionary, "transcoders", None))
    return model


@pytest.mark.parametrize("rope", ROPE)
@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_every_architecture_reads_every_rope_below_and_above_the_original_context(
    architecture: str, rope: str, tmp_path: Path
):
    for number, changes in enumerate(rope_changes(architecture, rope)):
        model = assert_read_right(architecture, changes, tmp_path / str(number), (BELOW, ABOVE))
        assert model.context_length == 4 * ORIGINAL


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        pytest.param(architecture, changes, id=f"{architecture} {' '.join(changes)}")
        for architecture in CONFIG_BY_ARCHITECTURE
        for changes in SETTINGS[kind_of(architecture)]
    ],
)
def test_settings_that_change_numbers_are_read(architecture: str, changes: dict[str, Any], tmp_path: Path):
    assert_read_right(architecture, changes, tmp_path)


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "GPT2LMHeadModel"])
@pytest.mark.parametrize(
    "activation",
    [
        *("gelu", "gelu_10", "gelu_fast", "gelu_new", "gelu_pytorch_tanh", "hardswish", "leaky_relu"),
        *("linear", "mish", "prelu", "quick_gelu", "relu", "relu2", "relu6", "silu", "tanh", "xielu"),
    ],
)
def test_activation_functions_are_read(architecture: str, activation: str, tmp_path: Path):
    setting = ACTIVATION.get(kind_of(architecture), "hidden_act")
    assert_read_right(architecture, {setting: activation}, tmp_path)


@pytest.mark.parametrize("activation", ["sigmoid", "sqrtsoftplus", "laplace"])
def test_neurons_that_are_active_without_an_input_are_refused(activation: str, tmp_path: Path):
    network = configured("LlamaForCausalLM", {"hidden_act": activation})
    model = load_language_model(saved(network, tmp_path), name="tiny")
    with pytest.raises(
        ClewError, match=r"^tiny's neurons are active without an input, .* at 0, so clew cannot"
    ):
        NeuronDictionary(model)
    ids = random_ids(BELOW)
    assert_adds_up(trace(model, random_transcoders(model, "PLT ReLU"), ids.tolist()))
    assert kl_divergence(plain_logits(network, ids), record(model, ids).logits) <= 1e-6


@pytest.mark.parametrize(
    ("architecture", "changes", "setting"),
    [
        ("GemmaForCausalLM", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
        ("Gemma2ForCausalLM", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
        ("Gemma3ForCausalLM", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
        (
            "Gemma3ForConditionalGeneration",
            {"use_bidirectional_attention": True},
            "use_bidirectional_attention",
        ),
        ("LlamaForCausalLM", {"per_layer_config": {"1": {"intermediate_size": 12}}}, "per_layer_config"),
    ],
)
def test_settings_that_a_row_does_not_cover_are_refused_by_name(architecture, changes, setting, tmp_path):
    saved(configured(architecture, {}), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config.get("text_config", config).update(changes)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ClewError, match=rf"config\.json sets {setting}, which clew does not support: "):
        load_language_model(tmp_path, name="tiny")


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_logits_are_capped_where_the_class_caps_them(architecture: str):
    """A configuration keeps the number in every class."""
    network, anatomy = configured(architecture, {}), ANATOMIES[architecture.split(",")[0]]
    network.set_attn_implementation("eager")
    network.config.get_text_config().final_logit_softcapping = 1.5
    model = LanguageModel("tiny", network, word_tokenizer(), anatomy)
    recording = record(model, random_ids(BELOW))
    read = model.soft_capped(model.read_logits(recording.residual_final, recording.final_scale))
    torch.testing.assert_close(read[-1], recording.logits, atol=1e-5, rtol=0)
    assert (anatomy.soft_cap is not None) == architecture.startswith(("Gemma2", "Gemma3ForCausal"))


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_a_long_text_leaves_nothing_behind(architecture: str):
    """A dynamic RoPE of transformers keeps the frequencies of the longest text so far."""
    for changes in rope_changes(architecture, "dynamic"):
        network, anatomy = configured(architecture, changes), ANATOMIES[architecture.split(",")[0]]
        network.set_attn_implementation("eager")
        model = LanguageModel("tiny", network, word_tokenizer(), anatomy)
        for length in (4 * ORIGINAL, ORIGINAL, ORIGINAL + 1, 3 * ORIGINAL, ORIGINAL - 1, 2 * ORIGINAL):
            ids = random_ids(length)
            plain = plain_logits(configured(architecture, changes), ids)
            assert kl_divergence(plain, record(model, ids).logits) <= 1e-6
            assert kl_divergence(plain, model.next_token_logits(ids[None])[0]) <= 1e-6
