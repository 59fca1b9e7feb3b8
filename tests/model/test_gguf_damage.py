"""GGUF files with damaged bytes are refused in a sentence, quickly, or read."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest

from clew.errors import ClewError
from clew.model.gguf.conversion import write_safetensors
from tests.model.gguf_files import as_gguf, random_network


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, int]:
    """The bytes of a file, and how many of them are its header."""
    file = as_gguf(random_network("LlamaForCausalLM"))
    content = file.write(tmp_path_factory.mktemp("gguf") / "tiny.gguf").read_bytes()
    return content, len(content) - sum(values.nbytes for values in file.tensors.values())


def outcome(content: bytes, path: Path) -> str:
    """The refusal of a file with these bytes; empty if it is read."""
    source, folder = path / "tiny.gguf", path / "converted"
    source.write_bytes(content)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        write_safetensors(source, folder)
    except ClewError as error:
        return str(error)
    return ""


def test_random_damage_to_a_header(whole: tuple[bytes, int], tmp_path: Path) -> None:
    content, n_header = whole
    chance, refused = random.Random(0), 0
    started = time.monotonic()
    for _ in range(400):
        damaged, at = bytearray(content), chance.randrange(n_header)
        match chance.randrange(5):
            case 0:
                damaged[at] = chance.randrange(256)
            case 1:
                del damaged[chance.randrange(len(damaged)) :]
            case 2:
                damaged[at : at + 8] = chance.choice([0, 1, 2**32, 2**63, 2**64 - 1]).to_bytes(8, "little")
            case 3:
                damaged[at:at] = bytes(chance.randrange(1, 9))
            case _:
                del damaged[at : at + chance.randrange(1, 9)]
        if message := outcome(bytes(damaged), tmp_path):
            refused += 1
            assert message.startswith("tiny.gguf ")
            assert message.endswith(".")
            assert "\n" not in message
    assert refused > 350
    assert time.monotonic() - started < 60


def test_what_is_wrong_is_named(whole: tuple[bytes, int], tmp_path: Path) -> None:
    content, n_header = whole
    for damaged, sentence in {
        content[:4]: "it is cut short",
        content[: n_header // 2]: "it is cut short",
        content[:-2000]: "reaches beyond its end",
        content + bytes(64): "64 bytes behind its last tensor belong to nothing",
        content[:4] + b"\1\0\0\0" + content[8:]: "it has version 1 of the format",
        content[:4] + b"\0\0\0\3" + content[8:]: "it was written for big-endian machines",
        content[:8] + b"\xff" * 8 + content[16:]: "its header claims 18,446,744,073,709,551,615 tensors",
        content.replace(
            b"blk.0.attn_q.weight", b"blk.1.attn_q.weight"
        ): "it has the tensor blk.1.attn_q.weight twice",
        content.replace(
            b"llama.rope.freq_base", b"llama.context_length"
        ): "its metadata has llama.context_length twice",
    }.items():
        assert sentence in outcome(damaged, tmp_path)
    assert "not a GGUF file" in outcome(b"", tmp_path)
    assert outcome(content, tmp_path) == ""


def test_a_type_that_cannot_be_unpacked_is_named(whole: tuple[bytes, int], tmp_path: Path) -> None:
    content, _ = whole
    name = b"output_norm.weight"
    at = content.index(name) + len(name) + 4 + 8
    assert content[at : at + 4] == bytes(4)
    unknown = content[:at] + (99).to_bytes(4, "little") + content[at + 4 :]
    assert "output_norm.weight is of the unknown type 99" in outcome(unknown, tmp_path)
    whole_numbers = content[:at] + (26).to_bytes(4, "little") + content[at + 4 :]
    assert "output_norm.weight has the type I32, which clew cannot unpack" in outcome(whole_numbers, tmp_path)
