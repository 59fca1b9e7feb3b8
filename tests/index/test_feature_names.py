"""Names by rule: whole words and contexts where texts agree, none where they do not."""

from __future__ import annotations

import pytest

from clew.feature import Feature
from clew.index.labels.agreement import agreed_words
from clew.index.labels.contexts import peak_word, phrase_before, shared_words
from clew.index.labels.feature_names import FIRST, facts_of
from clew.index.storage.excerpts import Excerpt, PeakText

CAPITALS = (" capitals", " Capital", "icon", " saint", " runner")
FRANCE = ("France",) * 6 + ("Paris",) * 3 + ("London",)


def text(words: str, peak: int = -1, peak_at: float = 1.0) -> PeakText:
    """Tokens that `|` parts; the peak is on the last one unless another is named."""
    tokens = tuple(words.split("|"))
    return PeakText(tokens, peak % len(tokens), peak_at)


def about(
    *peaks: str,
    promotes: tuple[str, ...] = (),
    layer: int = 9,
    negative: bool = False,
    front: str = "in text",
) -> Excerpt:
    """A feature of ten layers that peaks on these words, each in a text of its own."""
    texts = tuple(text(f" {front}| {number}| {word}") for number, word in enumerate(peaks))
    shares = {word: peaks.count(word) / len(peaks) for word in peaks}
    sample = tuple((f" {word}", share) for word, share in sorted(shares.items(), key=lambda item: -item[1]))
    return Excerpt(Feature(layer, 0), negative, 0.01, texts, sample, promotes, 10)


@pytest.mark.parametrize(
    ("excerpt", "name"),
    [
        (about(*FRANCE, promotes=CAPITALS), 'says capitals; "France", "Paris"'),
        (about(*FRANCE, promotes=CAPITALS, layer=1), '"France", "Paris"'),
        (about(*["France"] * 7, "a", "b", "c"), '"France"'),
        (about(*"abcdefgh", promotes=CAPITALS), "says capitals"),
        (about(*["quay"] * 5, promotes=CAPITALS, negative=True), 'says capitals; "quay" (negative)'),
        (about(), ""),
        (about(*"abcdefgh"), ""),
        (about(*["a"] * 5, *"bcdefg"), ""),
        (about(*"abcd", promotes=(" one", " two", " three")), ""),
        (about(*"abcd", promotes=("ing", "ings", "..", " 12")), ""),
    ],
)
def test_names(excerpt: Excerpt, name: str):
    assert facts_of(excerpt, {}).name == name


def test_a_function_word_is_named_with_the_phrase_before_it():
    texts = tuple(text(f" The| capital| of| {land}| is") for land in ("Chile", "Cuba", "Ghana", "Iran"))
    excerpt = Excerpt(Feature(9, 0), False, 0.01, texts, ((" is", 0.9), (":", 0.1)), (), 10)
    facts = facts_of(excerpt, {})
    assert facts.name == '"is" after "the capital of …"'
    assert (facts.fires_on, facts.context) == (("is",), 'after "the capital of …"')


def test_a_piece_of_a_word_is_completed_or_no_name():
    same = tuple(text(f" {n}| had| main|tenance| done", -2) for n in range(4))
    excerpt = Excerpt(Feature(0, 0), False, 0.01, same, (("tenance", 1.0),), (), 10)
    assert facts_of(excerpt, {}).fires_on == ("maintenance",)
    several = tuple(text(f" {n}| had| {front}|ance") for n, front in enumerate(("ch", "d", "gl", "tr")))
    excerpt = Excerpt(Feature(0, 0), False, 0.01, several, (("ance", 1.0),), (), 10)
    assert facts_of(excerpt, {}).fires_on == ()
    assert peak_word(text("tenance| of| the| road", 0)) == "", "the text begins inside of a word"


def test_a_feature_of_first_tokens_says_so():
    texts = tuple(PeakText((word, " thing"), 0, 1.0, is_first=True) for word in ("The", "When", "Once"))
    facts = facts_of(Excerpt(Feature(0, 0), False, 0.01, texts, (), (), 10), {})
    assert (facts.name, facts.at_start) == (FIRST, True)


def test_phrases_need_a_word_with_a_meaning_in_most_texts():
    assert phrase_before([text(f" all| {n}| of| the| {n}") for n in "abcd"]) == ""
    assert phrase_before([text(f" king| of| {n}") for n in "abc"]) == "king of"
    assert phrase_before([text(f" king| of| {n}") for n in "ab"]) == "", "two texts are too few"


def test_words_that_all_texts_share_are_rare_ones():
    words = (
        "river| runs| far| through",
        "people| built| many| roads| to",
        "oldest| bank| lies| near| old",
        "x| y| z",
    )
    texts = [text(f" {front.replace('|', '| ')}| Lisbon| {number}") for number, front in enumerate(words)]
    pattern = [text(f" the| people| {n}| of| Lisbon| x") for n in "abcd"]
    assert shared_words(pattern, {}) == [], "texts of one pattern share everything"
    assert shared_words(texts, {"people": 0.4}) == ["Lisbon"]
    assert shared_words(texts, {"people": 0.4}, but=["Lisbon"]) == []


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
