"""Ctrl-C in long work: the first one asks for an end that loses nothing, the second one ends at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def ending_softly(on_asked: Callable[[], None], left: str) -> Iterator[Callable[[], bool]]:
    """A block whose work asks the function that it is given, now and then, if it is to end.

    Args:
        on_asked: Called at the first Ctrl-C.
        left: The state that the second Ctrl-C leaves, for its `KeyboardInterrupt`.
    """
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt(left)
        asked = True
        on_asked()

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # only a program's first thread hears signals
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
