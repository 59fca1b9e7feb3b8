"""Tokens as a person can read them."""

from __future__ import annotations


def quote(text: str) -> str:
    """A token in quotes, so that its spaces show; unprintable characters become escapes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in escaped) + '"'


def readable(text: str) -> str:
    """The text with escapes in place of control characters and others that do not print."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
