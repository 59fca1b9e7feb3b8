"""Words that several promoted tokens spell: " capital", "Capital" and " capitals" agree on one."""

from __future__ import annotations

from collections.abc import Sequence

from clew.graph.summary.words import begins_word, is_nameable, stem
from clew.index.labels.prompts import clean

MOST = 3
"""Words, at most."""
FIRST = 5
"""The first token of all counts if it is spelled twice among so many."""
TWICE, THRICE = 2, 3
"""Spellings of the first token, and of any other, from which they agree; two are chance."""
SAME_BEGINNING = 5
"""Words that begin with so many equal letters count as one ..."""
SHORTEST = 4
ENDINGS = frozenset({"er", "est", "ed", "ing", "ly"})
"""... and so do shorter ones with one of these endings: "warm" and "warmer"."""


def agreed_words(promoted: Sequence[str], on: Sequence[str]) -> list[str]:
    """Words that several promoted tokens spell, in the spelling that is promoted most."""
    groups: list[list[tuple[int, str]]] = []
    for rank, token in enumerate(promoted):
        if not is_nameable(token.strip()):
            continue
        group = next((group for group in groups if _are_one_word(token, group[0][1])), None)
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


def _are_one_word(token: str, other: str) -> bool:
    short, long = sorted((stem(token), stem(other)), key=len)
    inflected = len(short) >= SHORTEST and long.startswith(short) and long[len(short) :] in ENDINGS
    begin_alike = len(short) >= SAME_BEGINNING and short[:SAME_BEGINNING] == long[:SAME_BEGINNING]
    return short == long or inflected or begin_alike
