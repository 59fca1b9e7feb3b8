"""The lists of the game `quiz`, as sentences about capitals, elements, young animals and the like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

CAPITALS = ("The capital of {0} is {1}.", "{1} is the capital of {0}.", "{0}: {1}")
SENTENCES = {
    "africa": CAPITALS,
    "america": CAPITALS,
    "asia": CAPITALS,
    "europe": CAPITALS,
    "province": ("{1} is the capital of {0}.", "{0}, whose capital is {1}"),
    "state": ("The capital of {0} is {1}.", "{1}, {0}", "{0} ({2}): {1}"),
    "elements": ("{3} has the symbol {0}.", "The chemical symbol for {3} is {0}.", "{0} - {3} - {1}"),
    "babies": ("A young {1} is called a {0}.", "{0} -> {1}"),
    "sexes": ("The female of {0} is {1}.", "{0}, {1}"),
    "collectives": ("A group of {0} is called a {1}.", "a {1} of {0}"),
    "posneg": ("{0} is the opposite of {1}.", "{0} -> {1}", "The opposite of {1} is {0}."),
    "latin": ("The Latin word {0} means {1}.", "{0} = {1}"),
    "murders": ("{0} was killed by {1}.",),
    "flowers": ("{0} means {1}.",),
    "seq-easy": ("{0}, {1}",),
    "mult": ("{0} {1}",),
    "sov": ("{0} ruled {1} years and was followed by {2}.",),
}
"""Sentences by the file's name; fields by their number."""


def quiz_sentences(file: Path) -> Iterator[str]:
    """A document for each kind of sentence: the whole list in it."""
    text = file.read_text(encoding="utf-8", errors="replace").replace("\\\n", "")
    rows = [[_first_answer(field) for field in line.split(":")] for line in text.split("\n") if ":" in line]
    for sentence in SENTENCES.get(file.name, ()):
        needed = 1 + max(int(number) for number in re.findall(r"\{(\d)\}", sentence))
        lines = [sentence.format(*row) for row in rows if len(row) >= needed and all(row[:needed])]
        yield from (line[:1].upper() + line[1:] for line in lines)


def _first_answer(field: str) -> str:
    """The fullest spelling of a field: of alternatives the first, and what may be left out."""
    while "[" in field:
        shorter = re.sub(r"\[([^\[\]]*)\]", lambda match: match[1].split("|")[0], field)
        if shorter == field:
            break
        field = shorter
    depth, top = 0, []
    for character in field:
        depth += (character == "{") - (character == "}")
        if character == "|" and depth == 0:
            break
        top.append(character)
    return "".join(top).replace("{", "").replace("}", "").strip()
