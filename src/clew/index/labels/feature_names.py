"""Names of features by rule: whole words that they fire on, the phrase before those, words that they promote.

`"is" after "the capital of …"; says capitals`. Rules that find nothing certain give no name:

- Fires on: at most three words, which together are half of the sample of all peaks. A piece of a word is
  completed from the texts, or is no word.
- After: the phrase that stands before the peaks of three quarters of the strong texts, if it has a word with
  a meaning.
- In texts with: words that three quarters of the strong texts share, beyond chance.
- Says: words that the feature promotes in several spellings, or that follow the peaks; only in the upper half
  of the layers, where the name begins with them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from weakref import WeakKeyDictionary

from clew.feature import Feature
from clew.graph.info import FeatureFacts
from clew.graph.story.function_words import is_function_word
from clew.graph.summary.words import begins_word, is_fragment, is_nameable, stem
from clew.index.labels.agreement import agreed_words
from clew.index.labels.contexts import common_words, peak_word, phrase_before, shared_words, words_around
from clew.index.storage.excerpts import Excerpt, PeakText
from clew.index.storage.index import Index

MOST = 3
"""Words of each kind in a name."""
STRONG = 0.5
"""Share of the strongest peak from which a text is strong."""
HALF, MOSTLY = 0.5, 0.6
"""Share of the sample that words, or function words and marks, must be."""
LEAST_SHARE = 0.08
"""Share of the sample of each word in a name ..."""
MOST_TEXTS = 0.8
"""Share of the texts that a phrase stands in, where no word is known that it stands before."""
LEAST_FIRST = 0.3
"""... that of the first word ..."""
OF_FIRST = 0.25
"""... and its share of that of the first word."""
IN_TEXTS = 1 / 3
"""Share of the strong texts that peak on a word of the name; others may be about something else."""
PROMOTED = 10
FIRST = "the first token of a text"


DRAWN = 300
"""Texts of an index that say which words are common."""

MOST_KEPT = 50_000
"""Facts that are kept for an open index."""

Side = tuple[Feature, bool | None]


class _Known:
    """An open index's common words, and the facts that were asked for; an index's texts never change."""

    def __init__(self, index: Index) -> None:
        self.common = common_words(index.draw_texts(DRAWN, "common words"))
        self.facts: dict[Side, FeatureFacts | None] = {}


_KNOWN: WeakKeyDictionary[Index, _Known] = WeakKeyDictionary()


def facts_in(index: Index, sides: Mapping[Feature, bool | None]) -> dict[Feature, FeatureFacts]:
    """The facts that an index has about features; a side is True for negative activations, None for any."""
    known = _KNOWN.get(index)
    if known is None:
        known = _KNOWN[index] = _Known(index)
    missing = {feature: side for feature, side in sides.items() if (feature, side) not in known.facts}
    if missing:
        if len(known.facts) > MOST_KEPT:
            known.facts.clear()
            missing = dict(sides)
        excerpts = index.excerpts(missing)
        for feature, side in missing.items():
            excerpt = excerpts.get(feature)
            known.facts[feature, side] = excerpt and facts_of(excerpt, known.common)
    found = {feature: known.facts[feature, side] for feature, side in sides.items()}
    return {feature: facts for feature, facts in found.items() if facts is not None}


def facts_of(excerpt: Excerpt, common: Mapping[str, float]) -> FeatureFacts:
    """The facts that an index has about one side of a feature, with its name."""
    highest = max((text.peak for text in excerpt.texts), default=0.0)
    strong = [text for text in excerpt.texts if text.peak >= STRONG * highest]
    if len(strong) > 1 and sum(text.is_first for text in strong) > 0.7 * len(strong):
        return FeatureFacts(frequency=excerpt.frequency, name=FIRST, context=FIRST, at_start=True)
    fires_on = _fires_on(excerpt, strong)
    on_it = [text for text in strong if peak_word(text).lower() in {word.lower() for word in fires_on}]
    after = phrase_before(on_it) if on_it else phrase_before(strong, MOST_TEXTS)
    topic = [] if after else shared_words(strong, common, but=fires_on)[:2]
    late = 2 * excerpt.feature.layer >= excerpt.n_layers
    says = _says(excerpt, strong) if late else []
    context = f'after "{after}"' if after else f"in texts with {_listed(topic)}" if topic else ""
    on = " ".join(part for part in (_listed(fires_on), context) if part)
    parts = [f"says {', '.join(says)}" if says else "", on]
    name = "; ".join(part for part in parts if part)
    return FeatureFacts(
        frequency=excerpt.frequency,
        name=f"{name} (negative)" if name and excerpt.negative else name,
        fires_on=tuple(fires_on),
        context=context,
        says=tuple(says),
    )


def _fires_on(excerpt: Excerpt, strong: list[PeakText]) -> list[str]:
    """The words of most peaks, the most frequent first; none where they are too many or in pieces."""
    shares: dict[str, float] = defaultdict(float)
    spelled: dict[str, dict[str, float]] = {}
    sample = excerpt.peaks or [(text.tokens[text.peak_at], 1 / len(strong)) for text in strong]
    for token, share in sample:
        word = _whole(token, strong)
        if word:
            shares[word.lower()] += share
            spellings = spelled.setdefault(word.lower(), defaultdict(float))
            spellings[word] += share
    least = max(LEAST_SHARE, OF_FIRST * max(shares.values(), default=0.0))
    ranked = sorted(shares, key=lambda word: -shares[word])[:MOST]
    chosen = [word for word in ranked if shares[word] >= least]
    together = sum(shares[word] for word in chosen)
    needed = MOSTLY if all(map(is_function_word, chosen)) else HALF
    if together < needed or len(strong) < 2 or max(shares.values()) < LEAST_FIRST:
        return []
    best = [max(spelled[word], key=spelled[word].__getitem__) for word in chosen]
    said = [peak_word(text).lower() for text in strong]
    confirmed = sum(word in chosen for word in said)
    return best if confirmed >= IN_TEXTS * len(said) else []


def _whole(token: str, texts: list[PeakText]) -> str:
    """The whole word of a token at a peak; empty for a piece of several words, or of an unknown one."""
    words = Counter(peak_word(text) for text in texts if text.tokens[text.peak_at] == token)
    plain = token.strip()
    if len(words) == 1:
        return next(iter(words))
    if words:
        return plain if plain in words and begins_word(token) and words[plain] > words.total() / 2 else ""
    if not any(character.isalnum() for character in plain):
        return plain
    if plain.isdigit():
        return plain
    return plain if begins_word(token) and is_nameable(plain) and not is_fragment(token) else ""


def _says(excerpt: Excerpt, strong: list[PeakText]) -> list[str]:
    """Words that are promoted in several spellings, or promoted and then read."""
    promoted = [token for token in excerpt.promotes[:PROMOTED] if not is_fragment(token)]
    said = agreed_words(promoted, [])
    following = Counter(stem(word) for text in strong if (word := _next_word(text)))
    for token in promoted:
        word = token.strip()
        read = is_nameable(word) and len(word) > 2 and begins_word(token) and following[stem(word)] > 0
        if read and stem(word) not in set(map(stem, said)):
            said.append(word)
    return said[:MOST]


def _next_word(text: PeakText) -> str:
    words, at = words_around(text)
    return words[at + 1] if at + 1 < len(words) - 1 else ""


def _listed(words: list[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
