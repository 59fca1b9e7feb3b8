"""Each entry of a GGUF's metadata is used, known to be harmless, or refused by name."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from clew.errors import ClewError
from clew.model.gguf.conversion import write_safetensors
from clew.model.loading import load_language_model
from tests.model.gguf_files import KINDS, TinyGguf, as_gguf, random_network
from tests.tiny import random_ids

TEXTS = ("a b <s>w7  12", "</s>a")
CHANGED = {
    int: lambda value: [0, value + 1, 2 * value, 2**31 - 1, 2**32 - 1, float(value), "x", True],
    float: lambda value: [0.0, -value, 3 * value, float("nan"), float("inf"), "x", 1],
    str: lambda value: ["x", value + "x", 1],
    list: lambda value: [value[:-1], value[::-1], 1, "x", [1.5] * len(value)],
    bool: lambda value: [not value, 1],
}


def converted(file: TinyGguf, path: Path) -> Path:
    """A new folder in `path` with what clew makes of a file."""
    folder = path / f"converted-{len(list(path.iterdir()))}"
    folder.mkdir()
    write_safetensors(file.write(path / "tiny.gguf"), folder)
    return folder


def changed(file: TinyGguf, changes: Mapping[str, Any]) -> TinyGguf:
    """A copy with other entries; None takes one out."""
    other = copy.deepcopy(file)
    for key, value in changes.items():
        other.entries.pop(key, None)
        if value is not None:
            other.entries[key] = value
    return other


def attempt(file: TinyGguf, path: Path) -> Path | str:
    """The converted folder, or the refusal."""
    try:
        return converted(file, path)
    except ClewError as error:
        return str(error)


def refusal(file: TinyGguf, path: Path) -> str:
    message = attempt(file, path)
    assert isinstance(message, str)
    assert message.startswith("tiny.gguf cannot be converted: ")
    assert message.endswith(".")
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def llama() -> TinyGguf:
    return as_gguf(random_network("LlamaForCausalLM"))


def test_an_unknown_entry_is_refused_by_name(llama: TinyGguf, tmp_path: Path) -> None:
    unknown = {
        "attention.temperature": 2.0,
        "rope.scaling.kind": "yarn",
        "logit_scale": 0.5,
        "residual_scale": 0.2,
        "embedding_scale": 12.0,
        "attention.clamp_kqv": 8.0,
        "attention.causal": False,
        "attention.scale": 0.3,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
        "use_parallel_residual": True,
        "pooling_type": 1,
        "expert_shared_count": 1,
        "general.depth": 3,
        "tokenizer.ggml.lowercase": True,
        "tokenizer.ggml.precompiled_charsmap": [1, 2],
        "other.rope.freq_base": 1.0,
    }
    for key, value in unknown.items():
        assert f"{key} = " in refusal(changed(llama, {key: value}), tmp_path), key


def test_what_changes_nothing_is_let_be(llama: TinyGguf, tmp_path: Path) -> None:
    harmless = {
        "general.name": "Mistral of mistral",
        "general.license": "mit",
        "general.tags": ["text"],
        "general.file_type": 2,
        "general.quantization_version": 2,
        "general.sampling.top_k": 20,
        "quantize.imatrix.entries_count": 7,
        "logit_scale": 1.0,
        "attention.causal": True,
        "attention.clamp_kqv": 0.0,
        "expert_count": 0,
        "rope.scaling.type": "none",
        "rope.scaling.finetuned": False,
        "tokenizer.ggml.eot_token_id": 1,
        "tokenizer.chat_template.tool_use": "x",
        "split.count": 0,
        "vocab_size": 61,
    }
    plain, more = converted(llama, tmp_path), converted(changed(llama, harmless), tmp_path)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        assert (plain / name).read_bytes() == (more / name).read_bytes()


@pytest.mark.parametrize("architecture", KINDS)
def test_an_entry_that_is_needed_or_renamed_is_missed(architecture: str, tmp_path: Path) -> None:
    """Without an entry a file is refused, or read as before; under another name it is always refused."""
    file = as_gguf(random_network(architecture))
    before = _reading(converted(file, tmp_path))
    optional = {
        "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.eos_token_id",
        "attention.sliding_window_pattern",
    }
    if KINDS[architecture] in ("llama", "starcoder2"):
        optional.add("attention.sliding_window")  # llama.cpp's converter leaves it out
    if file.entries["tokenizer.ggml.pre"] == "gpt-2" and architecture != "GPT2LMHeadModel":
        optional.add("tokenizer.ggml.pre")  # llama.cpp's default counts, with a note
    for key in file.entries.keys() - optional:
        found = attempt(changed(file, {key: None}), tmp_path)
        if isinstance(found, Path):
            assert _reading(found) == before, key
        else:
            assert key.replace("expert_count", "expert") in found
    for key, value in file.entries.items():
        renamed = changed(file, {key: None, f"other.{key}": value})
        assert key.replace("expert_count", "expert") in refusal(renamed, tmp_path)


def _reading(folder: Path) -> tuple[list[list[int]], list[float]]:
    """Token ids of some texts, and rounded logits after some tokens."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = load_language_model(folder, name="tiny")
    logits = model.next_token_logits(random_ids(40)[None])[0]
    return [tokenizer.encode(text) for text in TEXTS], [round(each, 4) for each in logits.tolist()]


@pytest.mark.parametrize("architecture", KINDS)
def test_a_changed_value_is_read_or_refused(architecture: str, tmp_path: Path) -> None:
    """A value that is read stands in the configuration or the tokenizer, if it matters at all."""
    file, chance = as_gguf(random_network(architecture)), random.Random(architecture)
    plain = converted(file, tmp_path)
    read = 0
    for key, value in file.entries.items():
        for other in chance.sample(CHANGED[type(value)](value), 2):
            if other == value and type(other) is type(value):
                continue
            found = attempt(changed(file, {key: other}), tmp_path)
            if isinstance(found, Path):
                read += 1
                assert _settings(found) != _settings(plain), (key, other)
            else:
                assert "tiny.gguf cannot be converted" in found
    assert read


def _settings(folder: Path) -> list[Any]:
    names = ("config.json", "tokenizer.json", "tokenizer_config.json")
    return [json.loads((folder / name).read_text()) for name in names]


def test_settings_of_the_largest_gemmas(tmp_path: Path) -> None:
    """Gemma 2 and 3 of 27B divide scores by another number than the root of the head's width."""
    network = random_network(
        "Gemma2ForCausalLM",
        num_hidden_layers=46,
        layer_types=["sliding_attention", "full_attention"] * 23,
    )
    folder = converted(as_gguf(network), tmp_path)
    assert json.loads((folder / "config.json").read_text())["query_pre_attn_scalar"] == 32 // 2
    scaled = changed(as_gguf(random_network("Gemma3ForCausalLM")), {"attention.scale": 0.125})
    folder = converted(scaled, tmp_path)
    assert json.loads((folder / "config.json").read_text())["query_pre_attn_scalar"] == 64
    uneven = changed(scaled, {"attention.scale": 0.126})
    assert "not one over the root of a whole number" in refusal(uneven, tmp_path)


def test_a_tensor_that_nothing_reads_is_refused(llama: TinyGguf, tmp_path: Path) -> None:
    for name in (
        "blk.0.attn_q_norm.weight",
        "blk.1.ffn_norm.bias",
        "blk.0.attn_sinks.weight",
        "cls.weight",
        "x",
    ):
        other = copy.deepcopy(llama)
        other.tensors[name] = torch.ones(8).numpy()
        assert f"reads the tensor {name}" in refusal(other, tmp_path)
    one_bias = copy.deepcopy(llama)
    del one_bias.tensors["blk.1.attn_q.bias"]
    assert "1 weights are missing, such as model.layers.1.self_attn.q_proj.bias" in refusal(
        one_bias, tmp_path
    )
    empty = copy.deepcopy(llama)
    empty.tensors["output.weight"] = empty.tensors["output.weight"] * float("nan")
    assert "output.weight holds values that are not finite" in refusal(empty, tmp_path)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"general.type": "adapter"}, "holds an adapter and not a model"),
        ({"general.type": "mmproj"}, "a projector for images or sound"),
        ({"general.type": "vocab"}, "holds a vocabulary"),
        ({"split.count": 3}, "one of 3 parts of a model; join them with `llama-gguf-split --merge` first"),
        ({"split.tensors.count": 400}, "parts of a model"),
        ({"block_count": 2**31 - 1}, "not 2, the number of layers among its tensors"),
        ({"attention.head_count": [2, 4]}, "attention.head_count is [2, 4]"),
        ({"attention.value_length": 8}, "attention.value_length is 8, not 16"),
        ({"rope.dimension_count": 8}, "rope.dimension_count is 8, not 16"),
        ({"tokenizer.ggml.bos_token_id": 61}, "not one of its 61 tokens"),
        ({"tokenizer.ggml.model": "bert"}, "not gpt2 or llama"),
        ({"expert_count": 4, "expert_used_count": 5}, "expert_used_count is 5"),
    ],
)
def test_another_kind_of_file_is_refused(
    entries: dict[str, Any], sentence: str, llama: TinyGguf, tmp_path: Path
) -> None:
    assert sentence in refusal(changed(llama, entries), tmp_path)


def test_another_architecture_is_refused(llama: TinyGguf, tmp_path: Path) -> None:
    bert = copy.deepcopy(llama)
    bert.kind = "bert"
    message = refusal(bert, tmp_path)
    assert "its architecture 'bert' is none of those that clew reads from GGUF (gemma, gemma2" in message
