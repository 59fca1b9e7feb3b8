"""What a language model answered, read strictly: whatever is no answer to the question is refused."""

from __future__ import annotations

import json
from typing import Any

from clew.index.labels.prompts import LONGEST_LABEL, clean

LONGEST_ANSWER = 50_000
"""Characters; thinking aloud included."""
MOST_BEGINNINGS = 200
"""Braces that are tried as the beginning of the answer."""


class Malformed(Exception):
    """An answer that cannot be used; the message says why."""


def read_label(answer: str) -> str:
    """The label of `{"label": "..."}`, on one line; raises `Malformed` for anything else."""
    label = _object_with(answer, "label")["label"]
    if not isinstance(label, str):
        raise Malformed("the label is no text")
    text = " ".join(clean(label).split()).strip("\"' .")
    if not any(character.isalnum() for character in text):
        raise Malformed("the label is empty")
    if len(text) > LONGEST_LABEL:
        raise Malformed(f"the label has {len(text):,} characters, not at most {LONGEST_LABEL}")
    return text


def read_active(answer: str, count: int) -> frozenset[int]:
    """The numbers of `{"active": [1, 4]}`, from 1 to `count`; raises `Malformed` for anything else."""
    numbers = _object_with(answer, "active")["active"]
    if not isinstance(numbers, list):
        raise Malformed("active is no list")
    found = set()
    for number in numbers:
        value = int(number) if isinstance(number, str) and number.isascii() and number.isdigit() else number
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= count:
            raise Malformed(f"active holds {str(number)[:20]!a}, which is no number of a text")
        found.add(value)
    return frozenset(found)


def _object_with(answer: str, key: str) -> dict[str, Any]:
    """The last JSON object with a key: models may put a fence around it, or think aloud first."""
    if len(answer) > LONGEST_ANSWER:
        raise Malformed(f"the answer has {len(answer):,} characters")
    decoder = json.JSONDecoder()
    end = len(answer)
    for _ in range(MOST_BEGINNINGS):
        end = answer.rfind("{", 0, end)
        if end < 0:
            break
        try:
            value, _ = decoder.raw_decode(answer, end)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and key in value:
            return value
    raise Malformed(f"the answer holds no JSON object with {key!r}")
