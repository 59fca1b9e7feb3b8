"""The exception that clew raises for the user to read."""

from clew.plain_text import visible


class ClewError(Exception):
    """An input cannot be used; the message is a sentence that says why, and what to do.

    It may quote a file, so control characters in it are shown as escapes wherever it is printed.
    """

    def __str__(self) -> str:
        return visible(super().__str__())


class ClewWarning(UserWarning):
    """A result to read with care; the message is a sentence that says why."""

    def __str__(self) -> str:
        return visible(super().__str__())
