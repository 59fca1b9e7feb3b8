"""Text and its bytes: what is not UTF-8 is refused in input, and spelled by its bytes in tokens."""

from __future__ import annotations

from clew.errors import ClewError


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
