"""Labels by rule, without a language model: the tokens that a feature is on, and the words it says.

`on " France", " Paris"; says capital`. Rules that find nothing certain give no label:

- `on`: at most three tokens, each the peak of two texts or more. Together they are the peak of 70 % of the
  texts (of those that peak half as high as the strongest) and of a seventh of the sample of all peaks, or of
  half of it if they are marks and not words.
- `says`: at most three words, each promoted in three spellings (" capital", "Capital", " capitals") among the
  first ten output tokens; or, for the first token of all, in two spellings among the first five; or promoted
  and a token that the feature is on. Two spellings further down are too often chance. In the lower half of
  the layers all of this is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from clew.feature import Feature
from clew.graph.graph import quote
from clew.graph.summary.words import begins_word, is_nameable, stem
from clew.index.labels.evidence import ActiveText, Evidence, each_evidence
from clew.index.labels.prompts import LONGEST_TOKEN, clean
from clew.index.storage.index import Index

MADE_BY = "token rules 1"
"""The author of these labels; raise the number with every change of the rules."""
MOST = 3
"""Tokens, and words, in a label."""
FEWEST_TEXTS = 4
ENOUGH = 0.7
HALF, SEVENTH = 1 / 2, 1 / 7
TWICE, THRICE = 2, 3
PROMOTED, FIRST = 10, 5
SAME_BEGINNING = 5
"""Words that begin with so many equal letters count as one ..."""
SHORTEST = 4
ENDINGS = frozenset({"er", "est", "ed", "ing", "ly"})
"""... and so do shorter ones with one of these endings: "warm" and "warmer"."""
LABELS_AT_ONCE = 500
"""Labels that are saved together, since each would wait for the disk; a kill loses no more."""


@dataclass
class RuleLabels:
    """The labels of a run: the number saved, and those that wait."""

    labelled: int = 0
    waiting: dict[Feature, str] = field(default_factory=dict)

    def save(self, index: Index) -> None:
        index.set_labels(self.waiting, "tokens", author=MADE_BY)
        self.labelled += len(self.waiting)
        self.waiting = {}


def label_by_rule(
    index: Index,
    features: Iterable[Feature],
    sides: Mapping[Feature, bool | None],
    labels: RuleLabels,
    on_progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Label each feature that the rules have a label for; `labels` counts those saved, also after Ctrl-C."""
    try:
        for done, evidence in enumerate(each_evidence(index, features, sides, tested=False)):
            on_progress(done)
            if text := label_from_tokens(evidence):
                labels.waiting[evidence.feature] = text
            if len(labels.waiting) >= LABELS_AT_ONCE:
                labels.save(index)
    finally:
        labels.save(index)


def label_from_tokens(evidence: Evidence) -> str | None:
    """The label of one side of a feature; None where the rules find none."""
    texts = (*evidence.shown, *evidence.held_out)
    on = frequent_peaks(texts)
    on = on if _are_usual(on, evidence.peaks) else []
    says = agreed_words(evidence.promotes[:PROMOTED], on) if evidence.late else []
    parts = [f"on {', '.join(map(_quoted, on))}"] if on else []
    parts += [f"says {', '.join(says)}"] if says else []
    if not parts:
        return None
    return "; ".join(parts) + (" (negative)" if evidence.negative else "")


def frequent_peaks(texts: Sequence[ActiveText]) -> list[str]:
    """The tokens on which most texts peak, the most frequent first; none where they are too many."""
    highest = max((text.peak for text in texts), default=0.0)
    texts = [text for text in texts if text.peak >= HALF * highest]
    if len(texts) < FEWEST_TEXTS:
        return []
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        spellings[_folded(text.peak_token)][text.peak_token] += 1
    ranked = sorted(spellings.values(), key=lambda spelled: -spelled.total())
    chosen = [spelled for spelled in ranked[:MOST] if spelled.total() >= TWICE]
    while chosen and sum(one.total() for one in chosen[:-1]) >= ENOUGH * len(texts):
        chosen.pop()
    if sum(one.total() for one in chosen) < ENOUGH * len(texts):
        return []
    return [spelled.most_common(1)[0][0] for spelled in chosen]


def _are_usual(on: Sequence[str], peaks: Sequence[tuple[str, float]]) -> bool:
    """True where the tokens are a share of the sample too; the strongest texts may all be of one template."""
    tokens = set(map(_folded, on))
    needed = SEVENTH if any(_is_word(token) for token in on) else HALF
    return not peaks or sum(share for token, share in peaks if _folded(token) in tokens) >= needed


def _is_word(token: str) -> bool:
    return any(character.isalnum() for character in token)


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


def _folded(token: str) -> str:
    """The token without capitals and outer spaces; a token of spaces stays as it is."""
    return token.strip().lower() or token


def _quoted(token: str) -> str:
    return quote(token if len(token) <= LONGEST_TOKEN else f"{token[: LONGEST_TOKEN - 1]}…")
