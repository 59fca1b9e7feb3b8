"""Tokenizers of GGUF files give the ids of the tokenizers that the files were made from."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer

from clew.model.gguf.conversion import write_safetensors
from clew.model.gguf.splitting import SPLITTINGS
from tests.model.gguf_files import WORDS, TinyGguf, as_gguf, random_network
from tests.model.test_gguf_metadata import changed, converted, refusal
from tests.tiny import VOCABULARY

SPACES = "▁"


@pytest.fixture(scope="module")
def llama() -> TinyGguf:
    return as_gguf(random_network("LlamaForCausalLM"))


def sentencepiece(llama: TinyGguf, **entries: Any) -> TinyGguf:
    """The same model with SentencePiece tokens: special ones, all bytes that fit, and some words."""
    words = ["<unk>", "<s>", "</s>", "<0x0A>", "▁", "a", "b", "▁a", "ab", "▁ab"]
    words += [f"w{number}" for number in range(len(words), VOCABULARY)]
    return changed(
        llama,
        {
            "tokenizer.ggml.model": "llama",
            "tokenizer.ggml.pre": "default",
            "tokenizer.ggml.tokens": words,
            "tokenizer.ggml.scores": [-float(number) for number in range(VOCABULARY)],
            "tokenizer.ggml.token_type": [2, 3, 3, 6] + [1] * (VOCABULARY - 4),
            "tokenizer.ggml.merges": None,
            "tokenizer.ggml.unknown_token_id": 0,
            "tokenizer.ggml.bos_token_id": 1,
            "tokenizer.ggml.eos_token_id": 2,
            **entries,
        },
    )


def ids(file: TinyGguf, text: str, path: Path) -> list[int]:
    return AutoTokenizer.from_pretrained(converted(file, path)).encode(text)


def test_bos_and_eos_are_added_as_the_file_says(llama: TinyGguf, tmp_path: Path) -> None:
    plain = [2, 4, 3]
    for bos in (None, False, True):
        for eos in (None, False, True):
            flags = {"tokenizer.ggml.add_bos_token": bos, "tokenizer.ggml.add_eos_token": eos}
            expected = [0] * bool(bos) + plain + [1] * bool(eos)
            assert ids(changed(llama, flags), "a b", tmp_path) == expected
    by_default = {"tokenizer.ggml.pre": "llama-bpe"}  # Llama 3's files do not say that it adds BOS
    assert ids(changed(llama, by_default), "a b", tmp_path) == [0, *plain]
    without = {"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.bos_token_id": None}
    assert "adds bos_token to each text, but has no" in refusal(changed(llama, without), tmp_path)


def test_sentencepiece_tokens(llama: TinyGguf, tmp_path: Path) -> None:
    assert ids(sentencepiece(llama), "ab\nb", tmp_path) == [1, 9, 3, 6]
    no_space = {"tokenizer.ggml.add_space_prefix": False}
    assert ids(sentencepiece(llama, **no_space), "ab ab", tmp_path) == [1, 8, 9]
    no_bos = {"tokenizer.ggml.add_bos_token": False}
    assert ids(sentencepiece(llama, **no_bos), "ab", tmp_path) == [9]
    tokenizer = AutoTokenizer.from_pretrained(converted(sentencepiece(llama), tmp_path))
    assert tokenizer.decode([9, 9]) == "ab ab"
    assert tokenizer.encode("é", add_special_tokens=False) == [4, 0]


def test_words_are_split_by_the_name_of_the_splitting(llama: TinyGguf, tmp_path: Path) -> None:
    """Two spaces in front of digits are one token where digits do not take the second space."""
    digits = [*WORDS[:-2], "1", "2"]
    for splitting, tokens in {
        "gpt-2": ["Ġ", "Ġ", "1", "2"],
        "smollm": ["ĠĠ", "1", "2"],
        "starcoder": ["ĠĠ", "1", "2"],
        "qwen2": ["Ġ", "Ġ", "1", "2"],
        "llama-bpe": ["Ġ", "Ġ", "1", "2"],
        "default": ["Ġ", "Ġ", "1", "2"],
    }.items():
        entries = {"tokenizer.ggml.tokens": digits, "tokenizer.ggml.pre": splitting}
        tokenizer = AutoTokenizer.from_pretrained(converted(changed(llama, entries), tmp_path))
        assert tokenizer.tokenize("  12") == tokens, splitting
    assert "tokenizer.ggml.pre is 'new'" in refusal(changed(llama, {"tokenizer.ggml.pre": "new"}), tmp_path)


def test_every_splitting_loses_no_text() -> None:
    text = "It's 1,234.5 (fine)!!\n\n  déjà vu  日本語 🙂\tx=y`~ HELLO World"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    for name, splitting in SPLITTINGS.items():
        tokenizer: Any = Tokenizer(models.BPE({letter: index for index, letter in enumerate(alphabet)}, []))
        tokenizer.pre_tokenizer, tokenizer.decoder = splitting(), decoders.ByteLevel()
        assert tokenizer.decode(tokenizer.encode(text).ids) == text, name


def test_a_missing_splitting_is_told(llama: TinyGguf, tmp_path: Path) -> None:
    notes: list[str] = []
    source = changed(llama, {"tokenizer.ggml.pre": None}).write(tmp_path / "tiny.gguf")
    (tmp_path / "folder").mkdir()
    write_safetensors(source, tmp_path / "folder", notes.append)
    assert len(notes) == 1
    assert "no tokenizer.ggml.pre" in notes[0]


def test_whole_tokens_are_found_in_a_text(llama: TinyGguf, tmp_path: Path) -> None:
    """Special and user-defined tokens keep their ids, even with letters that no byte-level token has."""
    words = [*WORDS[:-2], "<ende→>", "  x"]
    entries = {
        "tokenizer.ggml.tokens": words,
        "tokenizer.ggml.token_type": [3, 3] + [1] * (VOCABULARY - 4) + [3, 4],
    }
    assert ids(changed(llama, entries), "a<ende→>  xb<s>", tmp_path) == [
        2,
        VOCABULARY - 2,
        VOCABULARY - 1,
        3,
        0,
    ]
    tokenizer = AutoTokenizer.from_pretrained(converted(changed(llama, entries), tmp_path))
    assert len(tokenizer) == VOCABULARY


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"tokenizer.ggml.tokens": ["a"] * VOCABULARY}, "a token twice"),
        ({"tokenizer.ggml.token_type": [9] * VOCABULARY}, "the unknown type 9"),
        ({"tokenizer.ggml.token_type": [1]}, "has 1 values for 61 tokens"),
        ({"tokenizer.ggml.token_type": None}, "no tokenizer.ggml.token_type"),
        ({"tokenizer.ggml.merges": ["ĠĠ"]}, "which is not two parts"),
        ({"tokenizer.ggml.merges": ["Ġ zz"]}, "its tokenizer cannot be rebuilt"),
        ({"tokenizer.ggml.add_space_prefix": True}, "add_space_prefix is True"),
        ({"tokenizer.ggml.add_sep_token": True}, "add_sep_token is True"),
        ({"tokenizer.ggml.scores": [1.0] * VOCABULARY}, "tokenizer.ggml.scores = "),
    ],
)
def test_a_tokenizer_that_cannot_be_rebuilt_is_refused(
    entries: dict[str, Any], sentence: str, llama: TinyGguf, tmp_path: Path
) -> None:
    assert sentence in refusal(changed(llama, entries), tmp_path)


def test_gemma_spells_runs_of_spaces_with_spaces(tmp_path: Path) -> None:
    gemma = as_gguf(random_network("GemmaForCausalLM"))
    file = sentencepiece(gemma)
    file.entries["tokenizer.ggml.tokens"][10] = "  "
    file.entries["tokenizer.ggml.token_type"][10] = 4
    assert ids(copy.deepcopy(file), "ab  b", tmp_path) == [1, 8, 10, 6]
    spaced = changed(file, {"tokenizer.ggml.add_space_prefix": True})
    assert "false, as Gemma's tokens have it" in refusal(spaced, tmp_path)
