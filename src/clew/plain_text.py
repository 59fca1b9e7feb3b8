"""Text of files and libraries made safe to show: escapes for control characters, one line, a length."""

from __future__ import annotations

import re

LONGEST = 240
"""Characters of a foreign text that a sentence quotes."""

INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, embeddings and overrides of direction
    "\u2028\u2029\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # line separators, marks that nothing shows
    "\ud800-\udfff]"  # halves of characters, which no encoding can write
)
"""Characters that move a cursor, turn text around or hide it."""


def visible(text: str) -> str:
    """The text with escapes such as `\\x1b` or `\\u202e` for characters that steer a terminal or a page."""
    return INVISIBLE.sub(lambda found: ascii(found[0])[1:-1], text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text cut to a length, with dots where something is left out."""
    return text if len(text) <= longest else f"{text[:longest]}..."


def one_line(text: str) -> str:
    """A text in one line of limited length, without a full stop."""
    return visible(shortened(" ".join(text[: 100 * LONGEST].split())).rstrip("."))
