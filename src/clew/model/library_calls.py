"""Exceptions of libraries as sentences, at the place where a library is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clew.errors import ClewError
from clew.plain_text import one_line

SELF_EXPLAINING = (OSError, ValueError, RuntimeError, ImportError)
"""Exceptions whose message is a sentence; the message of a `KeyError` is only a key."""


@contextmanager
def library_call(sentence: Callable[[str], str], kind: type[Exception] = ClewError) -> Iterator[None]:
    """Turn whatever a library raises in this block into a `ClewError`, or an exception of another `kind`.

    Only calls of libraries may stand in the block, so that no fault of clew's own is hidden.

    Args:
        sentence: Makes the message from the library's reason.
        kind: The class of the exception, whose only argument is the message.
    """
    try:
        yield
    except (ClewError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # libraries raise anything, and a panic of Rust is not an `Exception`
        raise kind(sentence(reason_of(error))) from error


def reason_of(error: BaseException) -> str:
    """An exception's message in one line of limited length, without a full stop."""
    text = one_line(str(error))
    kind = type(error).__name__
    if not text:
        return kind
    return text if isinstance(error, SELF_EXPLAINING) else f"{kind}: {text}"
