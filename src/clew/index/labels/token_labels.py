"""A plain label by rule, without any language model: the tokens it is on, the words it says.

`on " France", " Paris"; says capital`. The rules are meant to say nothing rather than something wrong:

- `on`: at most three tokens, each the peak of two texts or more, that are together the peak of 70 % of the
  texts, of those that peak half as high as the strongest, and of a seventh of the sample of all peaks (of
  half of it, if they are marks and no words);
- `says`: at most three words, each promoted in three spellings (" capital", "Capital", " capitals") among the
  ten tokens promoted most, or in two among the first five if it is the very first, or promoted and a token
  that it is on. Two spellings further down are too often chance, and so is all of it in the lower half of
  the layers.

A label with neither is none.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from clew.graph.graph import quote
from clew.graph.summary.words import begins_word, is_nameable, stem
from clew.index.labels.evidence import Evidence, Window
from clew.index.labels.prompts import LONGEST_TOKEN, clean

MADE_BY = "token rules 1"
"""Whoever changes the rules raises the number."""
MOST = 3
"""Tokens, and words."""
FEWEST_TEXTS = 4
ENOUGH = 0.7
HALF, SEVENTH = 1 / 2, 1 / 7
TWICE, THRICE = 2, 3
PROMOTED, FIRST = 10, 5
SAME_BEGINNING = 5
"""Words that begin with so many same letters stand for each other ..."""
SHORTEST = 4
ENDINGS = frozenset({"er", "est", "ed", "ing", "ly"})
"""... and shorter ones with one of these behind them: "warm" and "warmer"."""


def label_from_tokens(evidence: Evidence) -> str | None:
    """The label of one side of a feature; None where the rules find nothing to say."""
    windows = (*evidence.shown, *evidence.held_out)
    on = frequent_peaks(windows)
    on = on if _are_usual(on, evidence.peaks) else []
    says = agreed_words(evidence.promotes[:PROMOTED], on) if evidence.late else []
    parts = [f"on {', '.join(map(_quoted, on))}"] if on else []
    parts += [f"says {', '.join(says)}"] if says else []
    if not parts:
        return None
    return "; ".join(parts) + (" (negative)" if evidence.negative else "")


def frequent_peaks(windows: Sequence[Window]) -> list[str]:
    """The tokens on which texts peak, the most frequent first, where few of them are enough."""
    highest = max((window.peak for window in windows), default=0.0)
    windows = [window for window in windows if window.peak >= HALF * highest]
    if len(windows) < FEWEST_TEXTS:
        return []
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for window in windows:
        spellings[_folded(window.peak_token)][window.peak_token] += 1
    ranked = sorted(spellings.values(), key=lambda spelled: -spelled.total())
    chosen = [spelled for spelled in ranked[:MOST] if spelled.total() >= TWICE]
    while chosen and sum(one.total() for one in chosen[:-1]) >= ENOUGH * len(windows):
        chosen.pop()
    if sum(one.total() for one in chosen) < ENOUGH * len(windows):
        return []
    return [spelled.most_common(1)[0][0] for spelled in chosen]


def _are_usual(on: Sequence[str], peaks: Sequence[tuple[str, float]]) -> bool:
    """Whether the tokens are a share of the sample too: the strongest texts may be all of one template."""
    tokens = set(map(_folded, on))
    needed = SEVENTH if any(_is_word(token) for token in on) else HALF
    return not peaks or sum(share for token, share in peaks if _folded(token) in tokens) >= needed


def _is_word(token: str) -> bool:
    return any(character.isalnum() for character in token)


def agreed_words(promoted: Sequence[str], on: Sequence[str]) -> list[str]:
    """Words for which several promoted tokens stand, in the spelling that is promoted most."""
    groups: list[list[tuple[int, str]]] = []
    for rank, token in enumerate(promoted):
        if not is_nameable(token.strip()):
            continue
        group = next((group for group in groups if _alike(token, group[0][1])), None)
        if group is None:
            groups.append([(rank, token)])
        else:
            group.append((rank, token))
    stems = {stem(token) for token in on}
    words = []
    for group in groups:
        whole = [token.strip() for _, token in group if begins_word(token)]
        spelled = {token: rank for rank, token in reversed(group)}
        early = sum(rank < FIRST for rank in spelled.values())
        agreed = len(spelled) >= THRICE or (group[0][0] == 0 and early >= TWICE)
        if whole and (agreed or stem(whole[0]) in stems):
            words.append(clean(whole[0]))
    return words[:MOST]


def _alike(token: str, other: str) -> bool:
    short, long = sorted((stem(token), stem(other)), key=len)
    inflected = len(short) >= SHORTEST and long.startswith(short) and long[len(short) :] in ENDINGS
    begin_alike = len(short) >= SAME_BEGINNING and short[:SAME_BEGINNING] == long[:SAME_BEGINNING]
    return short == long or inflected or begin_alike


def _folded(token: str) -> str:
    """The same for a token with a capital or a space more; only spaces are themselves."""
    return token.strip().lower() or token


def _quoted(token: str) -> str:
    return quote(token if len(token) <= LONGEST_TOKEN else f"{token[: LONGEST_TOKEN - 1]}…")
