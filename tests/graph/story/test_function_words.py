"""Function words: each prompt has those of its own language."""

from __future__ import annotations

import pytest

from clew.graph.story.function_words import function_words_of, is_function_word


@pytest.mark.parametrize(
    ("prompt", "telling"),
    [
        ("The hat of my son is on the door", ["hat", "son", "door"]),
        ("They won the war and will not die", ["won", "war", "die"]),
        ("La capitale de la France est", ["capitale", "France"]),
        ("Die Hauptstadt von Frankreich ist", ["Hauptstadt", "Frankreich"]),
        ("La capital de España es", ["capital", "España"]),
        ("Twinkle , twinkle , little", ["Twinkle", "twinkle", "little"]),
    ],
)
def test_words_with_a_meaning(prompt: str, telling: list[str]):
    words = prompt.split()
    known = function_words_of(words)
    assert [word for word in words if not is_function_word(word, known)] == telling


def test_a_sign_that_calculates_is_telling():
    assert [text for text in (" +", ",", "=", " (") if not is_function_word(text)] == [" +", "="]
