"""GGUF files of other architectures than Llama convert to the same model, and trace."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest
import torch

from clew.attribution.trace import TraceSettings, trace
from clew.dictionary.neurons import NeuronDictionary
from clew.model.language_model import LanguageModel
from clew.model.loading import load_language_model
from clew.model.reference import resolve
from tests.attribution.test_rows import assert_adds_up, assert_rows_equal_autograd
from tests.tiny import VOCABULARY, Shape, random_ids, tiny_model

SHAPE = Shape(n_layers=2, n_heads=2, n_value_heads=2, head_dim=8, d_model=16, d_mlp=20)
WORDS = ["<s>", "</s>", "a", "b", "Ġ", "ĠĠ", *(f"w{number}" for number in range(6, VOCABULARY))]
KIND_BY_ARCHITECTURE = {"Qwen2ForCausalLM": "qwen2", "Starcoder2ForCausalLM": "starcoder2"}
"""Architectures to test. transformers assumes settings for the others that a tiny model lacks: heads of
Qwen 3 are 128 wide, GPT-2 has 1,024 positions, Phi 3 pads with token 32,000, Gemma 2 divides by 16."""

TIED = ("starcoder2",)
"""Kinds whose files hold no separate unembedding."""


def write_gguf(path: Path, model: LanguageModel, kind: str) -> Path:
    """A model's weights in the names and the layout of GGUF."""
    architecture = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == kind)
    names = gguf.get_tensor_name_map(architecture, model.n_layers)
    writer = gguf.GGUFWriter(path, kind)
    _write_settings(writer, model)
    for name, tensor in model.network.state_dict().items():
        stem, suffix = name.rsplit(".", 1)
        if kind in TIED and stem == "lm_head":
            continue
        writer.add_tensor(f"{names.get_name(stem)}.{suffix}", tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_settings(writer: gguf.GGUFWriter, model: LanguageModel) -> None:
    config = model.text_config
    writer.add_context_length(model.context_length)
    writer.add_embedding_length(model.d_model)
    writer.add_block_count(model.n_layers)
    writer.add_feed_forward_length(SHAPE.d_mlp)
    writer.add_head_count(SHAPE.n_heads)
    writer.add_head_count_kv(SHAPE.n_value_heads)
    writer.add_key_length(SHAPE.head_dim)
    writer.add_value_length(SHAPE.head_dim)
    writer.add_rope_dimension_count(SHAPE.head_dim)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(getattr(config, "rms_norm_eps", 1e-5))
    writer.add_layer_norm_eps(1e-5)
    if getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(WORDS)
    writer.add_token_types([3, 3] + [1] * (VOCABULARY - 2))
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)


@pytest.mark.parametrize("architecture", KIND_BY_ARCHITECTURE)
def test_a_gguf_of_another_architecture_converts_and_traces(architecture, tmp_path, monkeypatch):
    monkeypatch.setenv("CLEW_CACHE", str(tmp_path / "cache"))
    original, ids, kind = tiny_model(architecture, SHAPE), random_ids(7), KIND_BY_ARCHITECTURE[architecture]
    if kind in TIED:
        original.network.lm_head.weight = original.network.get_input_embeddings().weight
    source = write_gguf(tmp_path / "tiny.gguf", original, kind)
    loaded = load_language_model(resolve(source).folder, name="tiny")
    assert loaded.anatomy == original.anatomy
    torch.testing.assert_close(loaded.next_token_logits(ids[None]), original.next_token_logits(ids[None]))
    graph = trace(loaded, NeuronDictionary(loaded), ids.tolist(), TraceSettings(max_nodes=50))
    assert_rows_equal_autograd(loaded, graph)
    assert_adds_up(graph)
