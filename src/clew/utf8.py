"""Text and its bytes: what is not UTF-8 is refused in input, and spelled by its bytes in tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable

from clew.errors import ClewError

STRAY = re.compile("[\udc80-\udcff]+")
"""Bytes that are no UTF-8, as Python's `surrogateescape` reads them."""

SPELLED = re.compile(r"(?:<0x[89A-F][0-9A-F](?: 0x[89A-F][0-9A-F])*>)+")
"""Bytes that are no UTF-8 by themselves, of one token or of several."""


def check_text(text: str, what: str) -> str:
    """The text; raises `ClewError` where it cannot be written as UTF-8.

    Python reads an argument's bytes that are not UTF-8 as lone surrogates. `what` begins the sentence.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        found = f"byte 0x{code - 0xDC00:02X}" if 0xDC80 <= code <= 0xDCFF else f"surrogate U+{code:04X}"
        raise ClewError(
            f"{what} is not UTF-8 text ({found} at character {error.start + 1}); save or type it as UTF-8."
        ) from error
    return text


def spelled_bytes(data: bytes) -> str:
    """Text, with each run of bytes that are no UTF-8 written as `<0xE2 0x80>`."""
    return STRAY.sub(_spelling, data.decode("utf-8", "surrogateescape"))


def joined_tokens(tokens: Iterable[str]) -> str:
    """The text of tokens that follow each other; bytes that make a character together become it again."""
    return SPELLED.sub(_reread, "".join(tokens))


def _spelling(stray: re.Match[str]) -> str:
    return "<" + " ".join(f"0x{ord(character) - 0xDC00:02X}" for character in stray[0]) + ">"


def _reread(spelled: re.Match[str]) -> str:
    return spelled_bytes(bytes(int(byte, 16) for byte in re.findall("0x(..)", spelled[0])))
