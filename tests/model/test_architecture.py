"""Folders load as an architecture of the table, or are refused before their weights are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from clew.errors import ClewError
from clew.model.architecture import anatomy_of
from clew.model.config_file import read_config
from clew.model.loading import load_language_model
from tests.model.refusals import refusal_of
from tests.tiny import CONFIG_BY_ARCHITECTURE, random_ids, tiny_model


def folder_with(folder: Path, **config: object) -> Path:
    """A folder without weights."""
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_a_saved_model_loads_as_the_same(architecture, tmp_path):
    model, ids = tiny_model(architecture), random_ids(8)[None]
    model.network.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    loaded = load_language_model(tmp_path, name="tiny")
    assert loaded.anatomy == model.anatomy
    assert loaded.context_length == 64
    torch.testing.assert_close(loaded.next_token_logits(ids), model.next_token_logits(ids))


def test_a_multimodal_llama_4_is_traced_as_its_text_decoder(tmp_path):
    folder_with(tmp_path, model_type="llama4", architectures=["Llama4ForConditionalGeneration"])
    assert anatomy_of(read_config(tmp_path), tmp_path).mlp == "feed_forward"


def test_the_class_is_the_one_that_transformers_makes_for_the_model_type(tmp_path):
    folder_with(tmp_path, model_type="gpt2", architectures=["MyOwnGPTForCausalLM"])
    assert anatomy_of(read_config(tmp_path), tmp_path).layers == "transformer.h"


@pytest.mark.parametrize("saved", ["LLaMAForCausalLM", "GemmaForCausalLM", "Gemma3ForConditionalGeneration"])
def test_a_class_of_another_model_type_is_refused(saved, tmp_path):
    message = refusal_of(folder_with(tmp_path, model_type="gpt2", architectures=[saved]))
    assert f"its model_type is gpt2, and its architectures name {saved}" in message


def test_an_unknown_architecture_is_refused_with_the_names_of_its_modules(tmp_path):
    message = refusal_of(folder_with(tmp_path, model_type="opt", architectures=["OPTForCausalLM"]))
    assert message.startswith("clew does not support the architecture OPTForCausalLM (model type opt). ")
    assert "model (decoder), lm_head" in message
    assert "model.decoder.layers.0 holds self_attn (k_proj, v_proj, q_proj, out_proj)" in message
    assert "clew supports GPT2LMHeadModel, GPTNeoX, Gemma, " in message
    assert '"Add an architecture"' in message


def test_an_unknown_architecture_whose_modules_cannot_be_built_is_still_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_config", lambda config: 1 / 0)
    message = refusal_of(folder_with(tmp_path, model_type="opt"))
    assert "modules" not in message
    assert "clew supports" in message


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"model_type": "nonesuch"}, r"transformers [\d.]+\w* does not know .* \(model type: nonesuch\)"),
        ({}, r"\(model type: none in its config.json\)"),
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "does not predict a next token"),
        ({"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]}, "next token"),
        ({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}, "has an encoder"),
        ({"model_type": "vit"}, "is not among those that transformers loads"),
    ],
)
def test_what_is_no_decoder_is_refused_in_a_sentence(config, complaint, tmp_path):
    with pytest.raises(ClewError, match=complaint):
        load_language_model(folder_with(tmp_path, **config), name="tiny")
