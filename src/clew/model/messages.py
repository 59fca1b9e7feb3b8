"""Messages of a chat: roles and texts, the oldest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeGuard

from clew.errors import ClewError

Messages: TypeAlias = Sequence[Mapping[str, str]]
"""A chat: `[{"role": "user", "content": "..."}]`, the oldest message first."""

PromptLike: TypeAlias = str | Sequence[int] | Messages
"""A prompt: a text, token ids, or the messages of a chat."""

ROLES = ("system", "developer", "user", "assistant", "tool")
"""Roles that templates know; many would write any other word as a role that the model never saw."""

TEMPLATE = "template"
"""The role of tokens that the template adds."""


def is_chat(prompt: object) -> TypeGuard[Messages]:
    """True for a sequence of messages."""
    return isinstance(prompt, Sequence) and bool(prompt) and all(isinstance(each, Mapping) for each in prompt)


def chat_of(texts: Sequence[str], system: str | None = None) -> list[dict[str, str]]:
    """Messages of texts that take turns, the user's first, with a system prompt in front."""
    front = [] if system is None else [{"role": "system", "content": system}]
    roles = ("user", "assistant")
    return front + [{"role": roles[turn % 2], "content": text} for turn, text in enumerate(texts)]


def with_question(messages: Messages, text: str) -> list[dict[str, str]]:
    """The same chat with another text in place of the user's last one."""
    chat = [dict(message) for message in messages]
    places = [place for place, message in enumerate(chat) if message["role"] == "user"]
    if not places:
        raise ClewError("The chat has no message of the user that another prompt could take the place of.")
    chat[places[-1]]["content"] = text
    return chat
