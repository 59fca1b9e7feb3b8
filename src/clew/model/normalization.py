"""The characters of a text that its tokenizer changes, leaves out or does not know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from clew.errors import ClewWarning
from clew.model.language_model import LanguageModel

SHOWN = 3
"""Changes that a note lists."""
COMPARED = 2000
"""Characters that are compared from the first change on."""


class ChangedPrompt(ClewWarning):
    """The tokenizer changes, leaves out or does not know something of a prompt."""


def changes_by_tokenizer(
    model: LanguageModel, text: str, token_ids: Sequence[int], what: str = "the prompt"
) -> str:
    """A sentence about what the tokens of a text do not spell as the text has it; empty if they spell all.

    A normalizer may compose accents, fold case, strip or collapse spaces; a word that the tokenizer does not
    know becomes its token for such words. One more space in front of the text, and one more or less beside a
    special token, is how many tokenizers mark the beginning of a word, and no change.
    """
    special = [model.token_text(token) for token in {*token_ids} & {*model.vocabulary.special}]
    given, read = _without_marks(text, model.vocabulary.text_of(token_ids), special)
    if given == read:
        return ""
    pairs = _changes(given, read)
    listed = [f"{_named(before)} becomes {_named(after)}" for before, after in pairs if after and before]
    listed += [f"{_named(before)} is left out" for before, after in pairs if not after]
    listed += [f"{_named(after)} is put in" for before, after in pairs if not before]
    more = f", and {len(listed) - SHOWN} more such changes" if len(listed) > SHOWN else ""
    return f"The tokenizer of {model.name} changes {what}: {', '.join(listed[:SHOWN])}{more}."


def _without_marks(text: str, read: str, special: Sequence[str]) -> tuple[str, str]:
    """A text, and what its tokens spell without the spaces that mark where words begin."""
    if read.startswith(" ") and len(read) - len(read.lstrip(" ")) == 1 + len(text) - len(text.lstrip(" ")):
        read = read[1:]
    names = re.compile("|".join(map(re.escape, special)) or "(?!)")
    given_parts, read_parts = names.split(text), names.split(read)
    if names.findall(text) != names.findall(read):
        given_parts, read_parts = [text], [read]
    pairs = list(zip(given_parts, read_parts, strict=True))
    last = len(pairs) - 1
    kept = [_alike(*pair, first=place == 0, last=place == last) for place, pair in enumerate(pairs)]
    between = [*(names.findall(text) if last else []), ""]
    given = "".join(one + name for (one, _), name in zip(pairs, between, strict=True))
    same = [one if alike else other for (one, other), alike in zip(pairs, kept, strict=True)]
    return given, "".join(other + name for other, name in zip(same, between, strict=True))


def _alike(given: str, read: str, first: bool, last: bool) -> bool:
    """True for parts that differ in one space beside a special token at most, as marks of words do."""
    one, other = given.strip(" "), read.strip(" ")
    in_front = len(read) - len(read.lstrip(" ")) - len(given) + len(given.lstrip(" "))
    behind = len(read.lstrip(" ")) - len(other) - len(given.lstrip(" ")) + len(one)
    return one == other and abs(in_front) <= (not first) and abs(behind) <= (not last)


def _changes(given: str, read: str) -> list[tuple[str, str]]:
    """The distinct replaced parts of a text, each with what stands in its place, in their order."""
    same = next(
        (at for at, (one, other) in enumerate(zip(given, read, strict=False)) if one != other),
        min(len(given), len(read)),
    )
    given, read = given[same:][:COMPARED], read[same:][:COMPARED]
    changes = SequenceMatcher(None, given, read, autojunk=False).get_opcodes()
    parts = [(given[a:b], read[c:d]) for tag, a, b, c, d in changes if tag != "equal"]
    return list(dict.fromkeys(parts))


def _named(part: str) -> str:
    """A part of a text in quotes, with the code points of what is not ASCII."""
    shown = part if len(part) <= 20 else part[:20] + "…"
    points = " ".join(f"U+{ord(character):04X}" for character in shown[:4])
    return f'"{shown}" ({points})' if not part.isascii() else repr(shown).replace("'", '"')
