"""Chats: messages of several roles as token ids, through the model's own chat template."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.model.messages import ROLES, TEMPLATE, Messages
from clew.model.sink import special_ids
from clew.model.template import check_known
from clew.model.tokenizer_calls import encoding, split_text
from clew.token_text import quote
from clew.utf8 import check_text

MARK = "\ue000{}\ue001"
"""A content that no template knows, of characters for private use."""


@dataclass(frozen=True)
class EncodedChat:
    """A chat as the template writes it: up to where the assistant begins, or goes on."""

    text: str
    token_ids: list[int]
    roles: tuple[str, ...]
    """The role of each token: that of its message, or "template"; empty where it cannot be told."""
    changes: str
    """Sentences about what the template changes, and about special tokens in messages; mostly empty."""


def encode_chat(model: LanguageModel, messages: Messages) -> EncodedChat:
    """The ids of the tokenizer's own `apply_chat_template`, and the role of each.

    The chat ends where the assistant's answer begins; where its last message is the assistant's, that goes
    on (`continue_final_message`). Raises `ClewError` for messages that are not roles and texts, a tokenizer
    without a template, and messages that the template refuses or leaves out.
    """
    chat = [_checked(message) for message in messages]
    if not model.tokenizer.chat_template:
        raise ClewError(
            f"{model.name} has no chat template, as base models have none; give it plain text, or load its "
            "instruction-tuned model."
        )
    _check_default_template(model)
    text = _apply(model, chat)
    ids = split_text(model.tokenizer, text)
    check_known(model, ids, "The chat")
    if not ids:
        raise ClewError(f"The chat template of {model.name} writes nothing for these messages.")
    spans = _content_spans(model, chat, text)
    roles = () if spans is None else _roles(model, chat, text, ids, spans)
    changes = [_changes(model, chat, text, spans), _lacking_generation_prompt(model, chat, text)]
    return EncodedChat(text, ids, roles, " ".join(filter(None, changes)))


def _check_default_template(model: LanguageModel) -> None:
    """Raise `ClewError` for a tokenizer with several templates by name, none of which is the default."""
    templates = model.tokenizer.chat_template
    if isinstance(templates, dict) and "default" not in templates:
        raise ClewError(
            f"{model.name} has chat templates named {', '.join(sorted(templates))} and none named default; "
            "rename the one that is meant to default in the tokenizer's files, or give plain text."
        )


def _checked(message: Mapping[str, str]) -> dict[str, str]:
    if set(message) != {"role", "content"} or not all(isinstance(value, str) for value in message.values()):
        raise ClewError(
            "A message has a role and a content, both texts, such as {'role': 'user', 'content': 'Hi'}; "
            f"{_shortened(repr(dict(message)))} is not one."
        )
    role, content = message["role"], message["content"]
    if role not in ROLES:
        raise ClewError(f"{_shortened(repr(role))} is no role of a message; use one of {', '.join(ROLES)}.")
    if role in ("user", "assistant") and not content.strip():
        raise ClewError(f"A message of the {role} is empty; give it a text, or leave it out.")
    return {"role": role, "content": check_text(content, f"The message of the {role}")}


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


def _apply(model: LanguageModel, chat: list[dict[str, str]], prompted: bool = True) -> str:
    goes_on = chat[-1]["role"] == "assistant"
    prompted = prompted and not goes_on
    try:
        return model.tokenizer.apply_chat_template(  # type: ignore[return-value]
            chat, tokenize=False, add_generation_prompt=prompted, continue_final_message=goes_on
        )
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a template is a program that came with the model, and may raise anything
        reason = _shortened(" ".join(str(error).split())).rstrip(".") or type(error).__name__
        roles = ", ".join(message["role"] for message in chat)
        raise ClewError(
            f"The chat template of {model.name} refuses these messages ({roles}): {reason}; change the roles "
            "or their order, or give plain text."
        ) from error


def _lacking_generation_prompt(model: LanguageModel, chat: list[dict[str, str]], text: str) -> str:
    """A sentence about a template that does not write what stands in front of an answer; mostly empty."""
    if chat[-1]["role"] == "assistant":
        return ""
    answer = MARK.format(len(chat))
    try:
        if _apply(model, chat, prompted=False) != text:
            return ""
        before, found, _ = _apply(model, [*chat, {"role": "assistant", "content": answer}]).partition(answer)
    except ClewError:  # the template wants other turns, and the chat's own have passed
        return ""
    if not found or not before.startswith(text) or not before.removeprefix(text).strip():
        return ""
    return (
        f"The chat template of {model.name} has no generation prompt: it writes "
        f"{_shortened(quote(before.removeprefix(text)))} in front of an answer, which this chat ends without."
    )


def _content_spans(
    model: LanguageModel, chat: list[dict[str, str]], text: str
) -> list[tuple[int, int]] | None:
    """Begin and end of each content in the text; None where the template does not write each of them once.

    Raises `ClewError` for a message that the template leaves out.
    """
    marked = [message | {"content": MARK.format(number)} for number, message in enumerate(chat)]
    try:
        written = _apply(model, marked)
    except ClewError:  # the template asks for certain contents, and the chat's own have passed
        return None
    parts = re.split(MARK.format(r"(\d+)"), written)
    numbers = [int(number) for number in parts[1::2]]
    for number, message in enumerate(chat):
        if number not in numbers and message["content"].strip():
            raise ClewError(
                f"The chat template of {model.name} leaves out message {number + 1}, of the role "
                f"{message['role']!r}; give the message another role, or leave it out."
            )
    if numbers != list(range(len(chat))):
        return None
    spans, place = [], 0
    for message, before, after in zip(chat, parts[::2], parts[2::2], strict=False):
        begin = place + len(before)
        if text[place:begin] != before:
            return None
        for content in (message["content"], message["content"].strip()):
            if text.startswith(content + after, begin):
                break
        else:
            return None
        place = begin + len(content)
        spans.append((begin, place))
    return spans


def _changes(
    model: LanguageModel, chat: list[dict[str, str]], text: str, spans: list[tuple[int, int]] | None
) -> str:
    """Sentences about messages that the template rewrites, and that hold the template's own means."""
    begins = f"The chat template of {model.name}"
    names = [f"{number} ({message['role']})" for number, message in enumerate(chat, start=1)]
    sentences = []
    if spans is None:
        sentences.append(f"{begins} changes, moves or repeats messages, so no token is told to be of a role.")
    elif stripped := [
        name
        for name, message, (begin, end) in zip(names, chat, spans, strict=True)
        if text[begin:end] != message["content"]
    ]:
        sentences.append(f"{begins} leaves out the spaces around message {', '.join(stripped)}.")
    if spans is not None and not model.tokenizer.is_fast:
        sentences.append(
            f"The tokenizer of {model.name} runs in Python and does not say where its tokens stand, so no "
            "token is told to be of a role."
        )
    special = [model.token_text(token) for token in special_ids(model)]
    for name, message in zip(names, chat, strict=True):
        if held := [each for each in special if each in message["content"]]:
            sentences.append(f"Message {name} holds {held[0]}, which {model.name} reads as a special token.")
    return " ".join(sentences)


def _roles(
    model: LanguageModel,
    chat: list[dict[str, str]],
    text: str,
    ids: Sequence[int],
    spans: Sequence[tuple[int, int]],
) -> tuple[str, ...]:
    """The role of each token, by where the contents stand in the text."""
    if not model.tokenizer.is_fast:
        return ()
    found = encoding(model.tokenizer, text, return_offsets_mapping=True)
    roles, place = [], 0
    for begin, end in found["offset_mapping"]:
        while place < len(spans) and spans[place][1] <= begin:
            place += 1
        # A token may reach from the template into a content: it is the content's where it ends there.
        inside = place < len(spans) and spans[place][0] < max(end, begin + 1)
        roles.append(chat[place]["role"] if inside else TEMPLATE)
    return tuple(roles)
