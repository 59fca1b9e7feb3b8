"""The exception that clew raises for the user to read."""


class ClewError(Exception):
    """An input cannot be used; the message is a sentence that says why, and what to do."""


class ClewWarning(UserWarning):
    """A result to read with care; the message is a sentence that says why."""
