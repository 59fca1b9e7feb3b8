"""Tokens are spelled from the vocabulary: with their space, by their bytes, each as it stands in a text."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models

from clew.model.vocabulary import BYTE_OF_CHARACTER, Vocabulary
from clew.utf8 import joined_tokens, spelled_bytes
from tests.real import real_model
from tests.tiny import Shape, tiny_model
from tests.tokenizers import KINDS, SPECIAL, WORDS, finished

LOSSLESS = ["byte level", "byte fallback", "no space in front"]
CHARACTERS = ["é", "“", "☃", "😀", "法国", "\n", "\t", "  ", "A", "\x00", "Ġ", "e\u0301"]


def vocabulary(kind: str, size: int = 400) -> Vocabulary:
    return Vocabulary(finished(KINDS[kind]()), size)


def id_of(tokenizer: Any, piece: str) -> int:
    return tokenizer.convert_tokens_to_ids(piece)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_the_tokens_of_a_text_spell_it(kind):
    tokens, choose = vocabulary(kind), random.Random(0)
    for _ in range(200):
        parts = choose.choices([*WORDS, *CHARACTERS, *SPECIAL], k=choose.randint(1, 9))
        text = choose.choice(["", " "]).join(parts)
        ids = tokens.tokenizer(text)["input_ids"]
        if 2 in ids:  # "▁" alone in front of a special token is the only unknown piece
            assert "<unk>" in text
        spelled = joined_tokens(tokens.text(token) for token in ids)
        in_front = " " if kind == "byte fallback" else ""
        for special in SPECIAL * bool(in_front):  # Llama 2 puts a space behind special tokens, too
            spelled = spelled.replace(special + " ", special)
        assert spelled.removeprefix(in_front) == text or spelled == text


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_has_its_space_and_a_special_token_its_name(kind):
    tokens = vocabulary(kind)
    for word in WORDS:
        (bare,) = tokens.ids_of(word)
        assert tokens.text(bare) == word
        if kind != "words":
            (spaced,) = tokens.ids_of(" " + word)
            assert tokens.tokenizer.convert_ids_to_tokens(spaced) in ("▁" + word, "Ġ" + word)
    assert [tokens.text(number) for number in range(4)] == SPECIAL
    assert tokens.special == (0, 1, 2, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_no_token_looks_like_another_but_by_its_bytes(kind):
    """The replacement character stands for nothing; ids past the tokenizer's have their number."""
    tokens = vocabulary(kind)
    texts = [tokens.text(token) for token in range(400)]
    assert "�" not in "".join(texts)
    assert texts[399] == "<399>"
    for token, text in enumerate(texts):
        assert token in tokens.ids_of(text)
        others = [tokens.tokenizer.convert_ids_to_tokens(other) for other in tokens.ids_of(text)]
        assert len(set(others)) == len(others)
        assert len(others) == 1 or sum(piece.startswith("<0x") for piece in others) == len(others) - 1


def test_bytes_that_are_no_character_are_written_out():
    tokens = vocabulary("byte level")
    (part,) = tokens.ids_of("<0xE2 0x80>")
    assert tokens.tokenizer.convert_ids_to_tokens(part) == "âĢ"
    assert [tokens.text(token) for token in tokens.tokenizer("é“")["input_ids"]] == [
        "<0xC3>", "<0xA9>", "<0xE2 0x80>", "<0x9C>",
    ]  # fmt: skip
    assert joined_tokens(["a", "<0xC3>", "<0xA9>", " <0xE2 0x80>", "<0x9C>b", "<0xE2>"]) == "aé “b<0xE2>"
    assert spelled_bytes("é".encode() + b"\x80\xe2a\xff") == "é<0x80 0xE2>a<0xFF>"


def test_added_tokens_are_spelled_as_the_text_that_they_match():
    of_bytes = finished(KINDS["byte level"]())
    of_bytes.add_tokens(["Ġé", "\n\n"])
    tokens = Vocabulary(of_bytes, 400)
    assert [tokens.text(id_of(of_bytes, piece)) for piece in ("Ġé", "\n\n")] == ["Ġé", "\n\n"]
    marked = finished(KINDS["no space in front"]())
    marked.add_tokens(["▁▁"])  # Gemma's: the normalizer makes them of spaces
    tokens = Vocabulary(marked, 400)
    assert tokens.text(id_of(marked, "▁▁")) == "  "


@pytest.mark.parametrize(
    ("decoder", "texts"),
    [
        (None, ["Paris", "##is", "Par</w>", "▁Paris", "<0x41>"]),
        (decoders.WordPiece(), [" Paris", "is", " Par</w>", " ▁Paris", " <0x41>"]),
        (decoders.BPEDecoder(), ["Paris", "##is", "Par ", "▁Paris", "<0x41>"]),
        (decoders.Metaspace(), ["Paris", "##is", "Par</w>", " Paris", "<0x41>"]),
        (decoders.Sequence([decoders.ByteFallback()]), ["Paris", "##is", "Par</w>", "▁Paris", "A"]),
    ],
)
def test_the_decoder_says_how_a_piece_is_spelled(decoder, texts):
    pieces = ["Paris", "##is", "Par</w>", "▁Paris", "<0x41>"]
    tokenizer = Tokenizer(models.WordLevel({piece: at for at, piece in enumerate(pieces)}, unk_token="Paris"))
    if decoder is not None:
        tokenizer.decoder = decoder
    tokens = Vocabulary(finished(tokenizer), 20)
    assert [tokens.text(id_of(tokens.tokenizer, piece)) for piece in pieces] == texts


class InPython:
    """A tokenizer without a Rust backend."""

    added_tokens_decoder = {}  # noqa: RUF012

    @staticmethod
    def convert_ids_to_tokens(token: int) -> str | None:
        return dict(enumerate(["▁Paris", "<0xE2>"])).get(token)


def test_a_tokenizer_in_python_has_the_pieces_of_sentencepiece():
    tokens = Vocabulary(InPython(), 3)
    assert [tokens.text(token) for token in range(3)] == [" Paris", "<0xE2>", "<2>"]


def test_the_alphabet_of_bytes_is_that_of_the_tokenizers():
    assert sorted(BYTE_OF_CHARACTER.values()) == list(range(256))
    decoder = decoders.ByteLevel()
    for character, byte in BYTE_OF_CHARACTER.items():
        assert decoder.decode([character]) == bytes([byte]).decode("utf-8", "replace")


def test_a_model_spells_its_tokens():
    network = tiny_model("LlamaForCausalLM", Shape(n_layers=1, vocabulary=400))
    model = replace(network, tokenizer=finished(KINDS["byte fallback"]()))
    ids = model.tokenizer("Paris")["input_ids"]
    assert [model.token_text(token) for token in ids] == [" Paris"]


@pytest.mark.real
@pytest.mark.parametrize("name", ["smollm2", "gemma3-270m"])
def test_every_token_of_a_real_model_has_a_spelling(name):
    model = real_model(name)
    texts = [model.token_text(token) for token in range(model.vocabulary.size)]
    replaced = model.vocabulary.ids_of("�")
    assert len(replaced) <= 1
    lost = [
        token
        for token in range(0, model.vocabulary.size, 7)
        if "�" not in (decoded := model.tokenizer.decode([token])) and decoded != texts[token]
    ]
    assert lost == []
