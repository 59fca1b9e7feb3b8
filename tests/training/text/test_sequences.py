"""Sequences begin with sentences and are full."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.training.text.sequences import SequenceCutter, sentences
from tests.tiny import word_tokenizer

CUTTER = SequenceCutter(word_tokenizer(), frozenset({0, 1}), first_token=0, length=5)


def test_sequences_begin_with_sentences():
    text = "w2 w3 w4 w5 w6. w7 w8 w9.\nw10 w11 w12 w13 w14 w15 w16\nw19 w30"
    # A token with a full stop is no word of this tokenizer, and reads as w2.
    cutter = SequenceCutter(word_tokenizer(), frozenset({0, 1}), first_token=0, length=4)
    rows, rest = cutter.cut(text)
    assert rows.tolist() == [[0, 2, 3, 4], [0, 10, 11, 12]]
    assert rest == "w19 w30"
    rows, rest = cutter.cut(rest + "\nw31 w32 w33 w34 w35 w36")
    assert (rows.tolist(), rest) == ([[0, 19, 30, 31]], "")


def test_short_texts_share_a_sequence():
    rows, rest = CUTTER.cut("w3\nw4 w5\nw6\nw7\nw8 w9\nw10\nw11")
    assert (rows.tolist(), rest) == ([[0, 3, 4, 5, 6]], "w11")


def test_special_tokens_that_a_text_spells_are_left_out():
    rows, _ = CUTTER.cut("w3 <a> w4 <b> w5 w6 w7 w8 w9 w10 w11\n")
    assert rows.tolist() == [[0, 3, 4, 5, 6]]


@pytest.mark.parametrize("text", ["", "\n \n", "w3"])
def test_too_little_text_gives_none(text: str):
    rows, rest = CUTTER.cut(text)
    assert rows.shape == (0, 5)
    assert rest == text


@given(st.text(alphabet="ab .!?\n\u3002\u201d)", max_size=200), st.integers(4, 40))
def test_sentences_lose_nothing_and_are_not_too_long(text: str, longest: int):
    parts = list(sentences(text, longest))
    assert "".join(parts) == text
    assert all(0 < len(part) <= longest for part in parts)


def test_sentences_of_texts():
    text = 'He said "Go." She went! Where?\nHome\n\n\u4f60\u597d\u3002\u518d\u89c1\u3002 A word of e.g.x'
    assert list(sentences(text, 100)) == [
        'He said "Go." ',
        "She went! ",
        "Where?\n",
        "Home\n\n",
        "\u4f60\u597d\u3002",
        "\u518d\u89c1\u3002",
        " A word of e.g.x",
    ]
    assert list(sentences("one two three four", 9)) == ["one two ", "three ", "four"]
