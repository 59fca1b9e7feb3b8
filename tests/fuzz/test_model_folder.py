"""Model folders with a random change: refused in a sentence, or the same numbers as before.

Other numbers come only from another value of a setting that the model has, or from a default that a note
names: then they are those of the plain model with that setting. Other ids come only from another vocabulary.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.model.loading import load_language_model
from clew.model.prompt import encode_prompt
from tests.fuzz.mutations import as_json, mutate, mutate_bytes
from tests.fuzz.test_graph_files import SENTENCE
from tests.tiny import tiny_model

ARCHITECTURES = (
    "LlamaForCausalLM",
    "Qwen3ForCausalLM",
    "Gemma3ForCausalLM",
    "GPT2LMHeadModel",
    "Phi3ForCausalLM",
)
IDS = torch.tensor([[0, *range(3, 45, 2)]])
PROMPT = "w5 w7 w11"
Numbers = tuple[torch.Tensor, tuple[int, ...]]
VALUES = ("number", "text", "list")
"""Kinds of change that leave a setting of the same type."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A saved model of each architecture."""
    base = tmp_path_factory.mktemp("models")
    for architecture in ARCHITECTURES:
        model = tiny_model(architecture)
        model.network.save_pretrained(base / architecture)
        model.tokenizer.save_pretrained(base / architecture)
    return {architecture: base / architecture for architecture in ARCHITECTURES}


@pytest.fixture(scope="module")
def numbers(folders) -> dict[str, Numbers]:
    """The logits and the ids of the prompt of each unchanged folder."""
    return {name: numbers_of(loaded(folder, [])) for name, folder in folders.items()}


def loaded(folder: Path, notes: list[str]) -> LanguageModel:
    return load_language_model(folder, name="tiny", on_note=notes.append)


def numbers_of(model: LanguageModel) -> Numbers:
    return model.next_token_logits(IDS), tuple(encode_prompt(model, PROMPT, "none").token_ids.tolist())


def with_file(folder: Path, name: str, content: bytes, tmp_path: Path) -> Path:
    """A copy of a folder with another content of one file."""
    changed = tmp_path / "model"
    shutil.copytree(folder, changed)
    (changed / name).write_bytes(content)
    return changed


def refusal_or_numbers(folder: Path, notes: list[str] | None = None) -> str | Numbers:
    try:
        return numbers_of(loaded(folder, [] if notes is None else notes))
    except ClewError as error:
        return str(error)


def plain_logits(folder: Path) -> torch.Tensor:
    network: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        return network(input_ids=IDS, use_cache=False).logits[:, -1]


@pytest.mark.parametrize("seed", range(500))
def test_a_changed_config(folders, numbers, tmp_path, seed):
    random = Random(seed)
    architecture = random.choice(ARCHITECTURES)
    mutation = mutate(json.loads((folders[architecture] / "config.json").read_text()), random)
    folder = with_file(folders[architecture], "config.json", as_json(mutation.value), tmp_path)
    notes: list[str] = []
    result = refusal_or_numbers(folder, notes)
    if isinstance(result, str):
        assert SENTENCE.match(result), f"{mutation.name}: {result}"
        return
    logits, ids = result
    assert ids == numbers[architecture][1]
    if not torch.allclose(logits, numbers[architecture][0], atol=1e-5):
        noted = any(str(mutation.path[-1]) in note for note in notes)
        assert mutation.kind in VALUES or noted, f"{mutation.name} of {architecture}"
        assert torch.allclose(logits, plain_logits(folder), atol=1e-4), mutation.name


@pytest.mark.parametrize("seed", range(60))
def test_changed_bytes_of_a_config(folders, numbers, tmp_path, seed):
    random = Random(seed)
    architecture = random.choice(ARCHITECTURES)
    content = mutate_bytes((folders[architecture] / "config.json").read_bytes(), random)
    result = refusal_or_numbers(with_file(folders[architecture], "config.json", content, tmp_path))
    if isinstance(result, str):
        assert SENTENCE.match(result), result


@pytest.mark.parametrize("seed", range(200))
def test_changed_tokenizer_files(folders, numbers, tmp_path, seed):
    random = Random(seed)
    folder = folders["LlamaForCausalLM"]
    name = random.choice(["tokenizer.json", "tokenizer.json", "tokenizer_config.json"])
    mutation = mutate(json.loads((folder / name).read_text()), random)
    result = refusal_or_numbers(with_file(folder, name, as_json(mutation.value), tmp_path))
    if isinstance(result, str):
        assert SENTENCE.match(result), f"{name}: {mutation.name}: {result}"
    elif result[1] != numbers["LlamaForCausalLM"][1]:
        assert mutation.kind in VALUES or mutation.path[:2] == ("model", "vocab"), f"{name}: {mutation.name}"


@pytest.mark.parametrize("seed", range(60))
def test_changed_weights(folders, numbers, tmp_path, seed):
    """Bytes of the header; a change of the weights themselves is another model."""
    random = Random(seed)
    folder = folders["LlamaForCausalLM"]
    content = bytearray((folder / "model.safetensors").read_bytes())
    length = 8 + int.from_bytes(content[:8], "little")
    content[:length] = mutate_bytes(bytes(content[:length]), random)
    result = refusal_or_numbers(with_file(folder, "model.safetensors", bytes(content), tmp_path))
    if isinstance(result, str):
        assert SENTENCE.match(result), result
    else:
        torch.testing.assert_close(result[0], numbers["LlamaForCausalLM"][0])
