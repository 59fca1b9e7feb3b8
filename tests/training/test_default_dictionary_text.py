"""The text for the default dictionary keeps away from the prompts that it is measured on."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.support.prompts import FORTY
from clew.dictionary.replaced_model import PROMPTS
from tools.default_dictionary.beginnings import real_beginnings, resembles_evaluation
from tools.default_dictionary.collect_text import passages_of
from tools.default_dictionary.quizzes import quiz_sentences


@pytest.mark.parametrize("prompt", [*PROMPTS, *FORTY])
def test_prompts_of_the_evaluation_are_left_out(prompt: str):
    assert resembles_evaluation(prompt)
    assert resembles_evaluation(prompt.lower() + " and so on")
    assert resembles_evaluation(prompt[: len(prompt) // 2 + 1])
    assert not resembles_evaluation(prompt[: len(prompt) // 2])


def test_texts_of_the_same_kinds_stay():
    for text in ("The capital of Spain is", "The opposite of big is", "short -> long, wet ->", "The key to"):
        assert not resembles_evaluation(text)


def test_beginnings_are_beginnings_of_texts():
    text = "The sea is deep. Ships sail on it; some of them never come back to their harbour."
    found = real_beginnings([text], 50, seed=1)
    assert len(set(found)) > 5
    assert all(each in text for each in found)


def test_passages_begin_with_sentences_and_lose_nothing():
    text = " ".join(f"Sentence number {number} is here." for number in range(60))
    passages = list(passages_of(text, least=100))
    assert " ".join(passages) == text
    assert all(each.startswith("Sentence") and len(each) < 140 for each in passages)


def test_a_quiz_becomes_sentences(tmp_path: Path):
    file = tmp_path / "europe"
    file.write_text("Aust{ria}:Vienna|Wien\n[S|s]pain:\\\nMadrid\n")
    assert "The capital of Austria is Vienna." in list(quiz_sentences(file))
    assert "Madrid is the capital of Spain." in list(quiz_sentences(file))
