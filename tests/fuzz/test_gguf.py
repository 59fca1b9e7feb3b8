"""Metadata of GGUF files with a random change: refused in a sentence, or the same numbers as before.

Other numbers come only from another value of a key that has a meaning, and then they are those of the plain
model with the converted settings.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from random import Random
from typing import Any

import gguf
import pytest
import torch

from clew.errors import ClewError
from clew.model.gguf.conversion import write_safetensors
from clew.model.loading import load_language_model
from clew.model.prompt import encode_prompt
from tests.fuzz.mutations import Mutation, mutate, mutate_bytes
from tests.fuzz.test_graph_files import SENTENCE
from tests.fuzz.test_model_folder import IDS, PROMPT, VALUES, plain_logits
from tests.model.gguf_files import TinyGguf, as_gguf, random_network, rope_tensors

ARCHITECTURES = ("LlamaForCausalLM", "Gemma2ForCausalLM", "Qwen3ForCausalLM", "Phi3ForCausalLM")
Numbers = tuple[torch.Tensor, tuple[int, ...], Path]


class Fuzzed(TinyGguf):
    """A file whose entries may be of any type that GGUF knows."""

    def write(self, path: Path) -> Path:
        self.entries = {key: value for key, value in self.entries.items() if can_be_written(value)}
        return super().write(path)


def can_be_written(value: Any) -> bool:
    """True for what a GGUF file can hold."""
    if isinstance(value, bool | str):
        return True
    if isinstance(value, list):
        kinds = {type(each) for each in value}
        return (
            bool(value)
            and len(kinds) == 1
            and not kinds & {list, dict, type(None)}
            and all(map(can_be_written, value))
        )
    if isinstance(value, int):
        return 0 <= value < 2**32
    return isinstance(value, float) and (abs(value) < 3e38 or not math.isfinite(value))


@pytest.fixture(scope="module")
def files() -> dict[str, TinyGguf]:
    made = {}
    for architecture in ARCHITECTURES:
        network = random_network(architecture)
        file = as_gguf(network)
        file.tensors |= rope_tensors(network.config)
        made[architecture] = file
    return made


@pytest.fixture(scope="module")
def unchanged(files, tmp_path_factory) -> dict[str, Numbers]:
    base = tmp_path_factory.mktemp("gguf")
    return {name: numbers_of(file.write(base / f"{name}.gguf"), base / name) for name, file in files.items()}


def numbers_of(path: Path, folder: Path) -> Numbers:
    """The logits of fixed ids, the ids of a prompt, and the converted folder."""
    folder.mkdir()
    write_safetensors(path, folder)
    model = load_language_model(folder, name="tiny")
    return (
        model.next_token_logits(IDS),
        tuple(encode_prompt(model, PROMPT, "none").token_ids.tolist()),
        folder,
    )


def refusal_or_numbers(path: Path, folder: Path) -> str | Numbers:
    try:
        return numbers_of(path, folder)
    except ClewError as error:
        return str(error)


@pytest.mark.parametrize("seed", range(200))
def test_changed_metadata(files, unchanged, tmp_path, seed):
    random = Random(seed)
    architecture = random.choice(ARCHITECTURES)
    file = files[architecture]
    mutation: Mutation = mutate(file.entries, random, lambda every: one_key(every, random))
    changed = Fuzzed(file.kind, copy.deepcopy(mutation.value), file.tensors)
    result = refusal_or_numbers(changed.write(tmp_path / "a.gguf"), tmp_path / "folder")
    name = f"{mutation.name} of {architecture}"
    if isinstance(result, str):
        assert SENTENCE.match(result), f"{name}: {result}"
        return
    logits, ids, folder = result
    if ids != unchanged[architecture][1]:
        assert str(mutation.path[0]).startswith("tokenizer."), name
    if not torch.allclose(logits, unchanged[architecture][0], atol=1e-5):
        assert mutation.kind in VALUES, name
        assert not str(mutation.path[0]).startswith("tokenizer."), name
        assert torch.allclose(logits, plain_logits(folder), atol=1e-4), name


def one_key(every: list[tuple[str | int, ...]], random: Random) -> tuple[str | int, ...]:
    """A path below a key; each key is as likely as any other, however long its list is."""
    key = random.choice(sorted({path[0] for path in every}, key=str))
    return random.choice([path for path in every if path[0] == key])


@pytest.mark.parametrize("seed", range(60))
def test_changed_bytes_of_the_header(files, unchanged, tmp_path, seed):
    random = Random(seed)
    architecture = random.choice(ARCHITECTURES)
    path = files[architecture].write(tmp_path / "a.gguf")
    content, begin = path.read_bytes(), gguf.GGUFReader(path).data_offset
    path.write_bytes(mutate_bytes(content[:begin], random) + content[begin:])
    result = refusal_or_numbers(path, tmp_path / "folder")
    if isinstance(result, str):
        assert SENTENCE.match(result), result
