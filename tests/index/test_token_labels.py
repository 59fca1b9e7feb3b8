"""Labels by rule: plain where tokens agree, none where they do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clew.feature import Feature
from clew.index.labels.evidence import Evidence, sort_texts
from clew.index.labels.token_labels import agreed_words, label_from_tokens

from .example_evidence import cats, dogs, window


def about(*peaks: str, promotes: tuple[str, ...] = (), negative: bool = False) -> Evidence:
    """A feature that peaks on these words, each in a text of its own."""
    texts = [window(f"in text {n} is {word} once", word) for n, word in enumerate(peaks)]
    return sort_texts(Feature(0, 0), texts, dogs(), promotes, negative=negative)


CAPITALS = (" capitals", " Capital", "icon", " saint", " runner")
FRANCE = ("France",) * 6 + ("Paris",) * 3 + ("London",)


@pytest.mark.parametrize(
    ("evidence", "label"),
    [
        (about(*FRANCE, promotes=CAPITALS), 'on " France", " Paris"; says capitals'),
        (about(*["France"] * 8), 'on " France"'),
        (about(*["France"] * 7, "a", "b", "c"), 'on " France"'),
        (about("France", "france", "FRANCE", "France"), 'on " France"'),
        (about(*"abcdefgh", promotes=CAPITALS), "says capitals"),
        (about(*["quay"] * 5, promotes=CAPITALS, negative=True), 'on " quay"; says capitals (negative)'),
        (sort_texts(Feature(0, 0), cats(), dogs(), (" zebra", " cat")), 'on " cat"; says cat'),
    ],
)
def test_labels_from_tokens(evidence: Evidence, label: str):
    assert label_from_tokens(evidence) == label


@pytest.mark.parametrize(
    "evidence",
    [
        about(),
        about(*["France"] * 3),
        about(*"abcdefgh"),
        about(*"aabbccddeeff"),
        about(*["a"] * 6, *"bcdefg"),
        about(*"abcd", promotes=(" one", " two", " three")),
        about(*"abcd", promotes=("ing", "ings", "..", " 12")),
    ],
)
def test_no_label_where_nothing_agrees(evidence: Evidence):
    assert label_from_tokens(evidence) is None


def test_strong_texts_of_one_template_make_no_label():
    evidence = about(*[":"] * 8, promotes=CAPITALS)
    usual, unusual = ((":", 0.6), (" in", 0.4)), ((":", 0.3), (" in", 0.3), (" of", 0.4))
    assert label_from_tokens(replace(evidence, peaks=usual)) == 'on " :"; says capitals'
    assert label_from_tokens(replace(evidence, peaks=unusual)) == "says capitals"
    assert label_from_tokens(replace(evidence, peaks=unusual, late=False)) is None
    words = about(*["capital"] * 8)
    assert label_from_tokens(replace(words, peaks=((" Capital", 0.2), (" of", 0.8)))) == 'on " capital"'
    assert label_from_tokens(replace(words, peaks=((" Capital", 0.1), (" of", 0.9)))) is None


@pytest.mark.parametrize(
    ("promoted", "words"),
    [
        ([" warm", " warmer", " colder", " cold"], ["warm"]),
        ([" party", " parties", " part"], ["party"]),
        ([" part", " party", " parties"], []),
        ([" temperature", " temperatures", " city", " City", "city"], ["temperature", "city"]),
        (["city", "City"], []),
        ([" capital"] * 3, []),
        ([*["", "one", "two", "four", "five", "six"], " city", " City"], []),
        (["\u202ecity", " city\u202e"], []),
    ],
)
def test_words_need_several_spellings(promoted: list[str], words: list[str]):
    assert agreed_words(promoted, []) == words
