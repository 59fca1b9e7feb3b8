"""The one exception that clew raises on purpose: its message is a sentence for a person."""


class ClewError(Exception):
    """Something the user gave cannot be used; the message says what, and what to do."""
