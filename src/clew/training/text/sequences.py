"""Sequences of equal length, cut from texts so that each begins with a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from clew.model.tokenizer_calls import split_text

SENTENCE_END = re.compile(r"[.!?\u2026][\"')\]\u2019\u201d]*\s+|\s*\n\s*|[\u3002\uff01\uff1f]")
"""The end of a sentence or a line, with the space behind it."""
CHARACTERS = 8
"""Characters of a token that are never reached on average; sentences are cut at so many a sequence."""
SPARE = 4
"""Tokens by which a text is longer than a sequence, as sentences have fewer together than one by one."""


@dataclass(frozen=True)
class SequenceCutter:
    """A cutter of texts into sequences `[first_token, *tokens]`."""

    tokenizer: Any
    special: frozenset[int]
    """Tokens that no text may hold, for a text has one sink."""
    first_token: int
    length: int
    """Tokens of a sequence, the first one included."""

    def cut(self, text: str) -> tuple[Int[Tensor, "sequence position"], str]:
        """Sequences of a text, and its end that fills none.

        A sequence begins with a sentence, and ends in the middle of one, whose rest is left out.
        """
        parts = list(sentences(text, CHARACTERS * self.length))
        room = self.length - 1
        texts, begin, tokens = [], 0, 0
        for place, count in enumerate(map(len, self._ids(parts))):
            tokens += count
            if tokens >= room + SPARE:
                texts.append("".join(parts[begin : place + 1]).strip())
                begin, tokens = place + 1, 0
        rows = [[self.first_token, *ids[:room]] for ids in self._ids(texts) if len(ids) >= room]
        return torch.tensor(rows, dtype=torch.int32).view(-1, self.length), "".join(parts[begin:])

    def _ids(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        found = split_text(self.tokenizer, texts, return_attention_mask=False)
        return [ids if self.special.isdisjoint(ids) else self._without_special(ids) for ids in found]

    def _without_special(self, ids: list[int]) -> list[int]:
        return [token for token in ids if token not in self.special]


def sentences(text: str, longest: int) -> Iterator[str]:
    """The sentences and lines of a text, with the space behind them; long ones in parts of whole words.

    Joined they are the text.
    """
    begin = 0
    for end in [*(match.end() for match in SENTENCE_END.finditer(text)), len(text)]:
        while end - begin > longest:
            middle = text.rfind(" ", begin + 1, begin + longest) + 1 or begin + longest
            yield text[begin:middle]
            begin = middle
        if end > begin:
            yield text[begin:end]
        begin = end
