"""Prompts as token ids, with the sink in front."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral

import torch
from jaxtyping import Int
from torch import Tensor

from clew.errors import ClewError
from clew.model.chat import EncodedChat, encode_chat
from clew.model.language_model import LanguageModel
from clew.model.messages import TEMPLATE, Messages, PromptLike, is_chat
from clew.model.normalization import ChangedPrompt, changes_by_tokenizer
from clew.model.sink import DisturbingSink, SinkWarning, divergence, measured_sink, named_sink_id, special_ids
from clew.model.template import EncodedText, encode_text, template_prefix
from clew.sink import MOST_CHANGE, Sink, quoted
from clew.token_text import quote


@dataclass(frozen=True)
class Prompt:
    """Token ids ready for the model; `sink` is None if the first position is an ordinary one."""

    text: str
    token_ids: Int[Tensor, " position"]
    tokens: tuple[str, ...]
    sink: Sink | None
    changes: str = ""
    """A sentence about what the tokenizer changed in the text, if it changed anything."""
    roles: tuple[str, ...] = ()
    """For a chat, the role of each token; see `EncodedChat`."""
    messages: tuple[tuple[str, str], ...] = ()
    """For a chat, the role and the text of each message."""

    @property
    def first_position(self) -> int:
        """The first position whose features and errors are nodes."""
        return 0 if self.sink is None else 1

    @property
    def sink_option(self) -> str:
        """The option `sink` with which another prompt gets the same first token."""
        return sink_option(self.sink)


def sink_option(sink: Sink | None) -> str:
    """A sink as the option `sink` names it."""
    return "none" if sink is None else f"id:{sink.token_id}"


def encode_prompt(
    model: LanguageModel,
    prompt: PromptLike,
    sink: str | None = None,
    trained_behind: str | None = None,
    *,
    what: str = "the prompt",
) -> Prompt:
    """Tokenise a prompt (a text, token ids, or the messages of a chat) and choose its sink.

    `sink` is None (choose one), `"none"` (the first position is an ordinary one), `"bos"` (the tokenizer's
    BOS), or a token's text or id (`"id:7"`). `trained_behind` names the sink of a dictionary in the same way,
    and counts where `sink` is None; a dictionary that was trained behind none has no BOS in front either. A
    prompt of ids stays as it is, and its first id is the sink unless `sink="none"`. Messages become what the
    model's chat template makes of them; a special token that it begins with is the sink. A text becomes the
    tokenizer's own ids without the special tokens that its template puts at the end; a BOS that the text has
    already is not doubled. Its sink is the first token that the template puts in front, or a special token
    that the text begins with. Where there is none of these, the model's sink comes in front.

    Warns (`SinkWarning`) of a sink that changes the answer much, and of one that the dictionary was not
    trained behind; and (`ChangedPrompt`) of what the tokenizer or the chat template changes in a text, which
    the warning calls `what`. Raises `ClewError` for an empty prompt, one that is not UTF-8, one longer than
    the context, ids outside the vocabulary, messages that are no chat of the model, and a sink that is not
    one token.
    """
    encoded = _encode(model, prompt, sink, trained_behind, what)
    if encoded.changes:
        # From one place for each reader of prompts, so that a prompt read twice is warned of once.
        warnings.warn(encoded.changes, ChangedPrompt, stacklevel=2)
    if encoded.sink is not None and encoded.sink.warning:
        warnings.warn(encoded.sink.warning, DisturbingSink, stacklevel=3)
    if trained_behind is not None:
        _warn_of_another(model, encoded.sink, trained_behind)
    if trained_behind == "none" and isinstance(prompt, str):
        _warn_of_no_bos(model, prompt, encoded.token_ids.tolist())
    return encoded


def _encode(
    model: LanguageModel,
    prompt: PromptLike,
    sink: str | None,
    trained_behind: str | None,
    what: str,
) -> Prompt:
    if is_chat(prompt):
        return _from_chat(model, prompt, sink, trained_behind, what)
    if not isinstance(prompt, str):
        return _from_ids(model, _ids_of(prompt), sink)
    if not prompt:
        raise ClewError("The prompt is empty; give at least one token of text.")
    encoded = encode_text(model, prompt)
    if not encoded.bare:
        raise ClewError(f"The prompt {prompt!r} has no tokens; give at least one token of text.")
    first = None if _begins_unknown(model, prompt, encoded.bare) else encoded.bare[0]
    ids, choice = _with_sink(model, encoded, first, sink, trained_behind)
    check_length(model, len(ids))
    return _prompt(model, prompt, ids, choice, changes_by_tokenizer(model, prompt, encoded.bare, what))


def _from_chat(
    model: LanguageModel, messages: Messages, sink: str | None, trained_behind: str | None, what: str
) -> Prompt:
    """A chat as its template writes it; a special token that this begins with is the sink."""
    chat = encode_chat(model, messages)
    own = chat.token_ids
    first = None if _begins_unknown(model, chat.text, own) else own[0]
    if sink is None and trained_behind is None and first in special_ids(model):
        ids, choice = own, _first_of(model, own, "the chat template's own first token")
    else:
        ids, choice = _with_sink(model, EncodedText(own, own, []), first, sink, trained_behind)
    check_length(model, len(ids))
    changes = _changes_of_chat(model, chat, what)
    in_front = (TEMPLATE,) * (len(ids) - len(own)) if chat.roles else ()
    return replace(
        _prompt(model, chat.text, ids, choice, changes),
        roles=(*in_front, *chat.roles),
        messages=tuple((message["role"], message["content"]) for message in messages),
    )


def changes_of_prompt(model: LanguageModel, prompt: PromptLike, what: str) -> str:
    """Sentences about what the tokenizer or the chat template changes in a prompt, called `what`."""
    if is_chat(prompt):
        return _changes_of_chat(model, encode_chat(model, prompt), what)
    if isinstance(prompt, str):
        return changes_by_tokenizer(model, prompt, encode_text(model, prompt).bare, what)
    return ""


def _changes_of_chat(model: LanguageModel, chat: EncodedChat, what: str) -> str:
    by_tokenizer = changes_by_tokenizer(model, chat.text, chat.token_ids, what)
    return " ".join(filter(None, [chat.changes, by_tokenizer]))


def _begins_unknown(model: LanguageModel, text: str, ids: Sequence[int]) -> bool:
    """True for a text that begins with a word that the tokenizer does not know, which is no sink."""
    unknown = model.tokenizer.unk_token_id
    return ids[0] == unknown and not text.lstrip().startswith(model.tokenizer.unk_token)


def _with_sink(
    model: LanguageModel,
    encoded: EncodedText,
    first: int | None,
    sink: str | None,
    trained_behind: str | None,
) -> tuple[list[int], Sink | None]:
    """The ids that the model reads, and their sink; `first` is the text's first token if it may be one."""
    own, bare = encoded.token_ids, encoded.bare
    named, reason = (trained_behind, "named by the dictionary") if sink is None else (sink, "named")
    if named == "none":
        return (bare if trained_behind == "none" else own), None
    if named is not None:
        found = Sink("", named_sink_id(model, named, by_dictionary=sink is None), reason=reason)
    elif encoded.prefix:
        return own, _first_of(model, own, "the tokenizer's own first token")
    elif first in special_ids(model):
        return own, _first_of(model, own, "first in the prompt")
    else:
        found = usual_sink(model)
    if found is None:
        return own, None
    ids = bare if first == found.token_id else [found.token_id, *bare]
    check_length(model, len(ids))
    kl = divergence(model, own, ids)
    return ids, replace(found, text=model.token_text(found.token_id), kl=kl)


def _first_of(model: LanguageModel, ids: Sequence[int], reason: str) -> Sink:
    """The sink of a prompt that has one already."""
    return Sink(model.token_text(ids[0]), ids[0], reason=reason)


def usual_sink(model: LanguageModel, trained_behind: str | None = None) -> Sink | None:
    """The sink that a text gets which begins with no special token."""
    if trained_behind == "none":
        return None
    if trained_behind is not None:
        token = named_sink_id(model, trained_behind, by_dictionary=True)
        return _first_of(model, [token], "named by the dictionary")
    prefix = template_prefix(model)
    return _first_of(model, prefix, "the tokenizer's own first token") if prefix else measured_sink(model)


def usual_front(
    model: LanguageModel, trained_behind: str | None = None, sink: str | None = None
) -> list[int]:
    """The token ids that stand in front of a text which begins with no special token, as in a prompt."""
    named = trained_behind if sink is None else sink
    if named == trained_behind == "none":
        return []
    if named in (None, "none"):
        found = usual_sink(model, named)
        return template_prefix(model) or ([] if found is None else [found.token_id])
    return [named_sink_id(model, named, by_dictionary=sink is None)]


def _warn_of_another(model: LanguageModel, sink: Sink | None, trained_behind: str) -> None:
    """Warn of a first token that is not the one that the dictionary names."""
    expected = usual_sink(model, trained_behind)
    if (sink and sink.token_id) != (expected and expected.token_id):
        warnings.warn(
            f"The dictionary was trained behind {quoted(expected and expected.text)}, but this prompt has "
            f"{quoted(sink and sink.text)}; leave out --sink (sink= in Python) to use the dictionary's own.",
            SinkWarning,
            stacklevel=4,
        )


def _warn_of_no_bos(model: LanguageModel, prompt: str, ids: list[int]) -> None:
    """Warn where leaving out the tokenizer's own first token for a dictionary changes the answer much."""
    own = encode_text(model, prompt).token_ids
    if own[-len(ids) :] != ids or len(own) > model.context_length:
        return
    kl = divergence(model, own, ids)
    if kl > MOST_CHANGE:
        left_out = quote(model.vocabulary.text_of(own[: -len(ids)]))
        warnings.warn(
            f"The dictionary was trained behind no first token, so {left_out} is left out, which changes the "
            f"answer on this prompt (KL {kl:.3g} nats, above {MOST_CHANGE}); pass --sink bos for it (sink= "
            "in Python).",
            DisturbingSink,
            stacklevel=4,
        )


def _ids_of(prompt: object) -> list[int]:
    ids = list(prompt) if isinstance(prompt, Iterable) and not isinstance(prompt, bytes) else None
    if ids is None or not all(isinstance(each, Integral) and not isinstance(each, bool) for each in ids):
        raise ClewError(
            f"{prompt!r} is not a prompt; pass a text, a list of token ids, or messages with roles."
        )
    return [int(each) for each in ids]


def _from_ids(model: LanguageModel, ids: list[int], sink: str | None) -> Prompt:
    if not ids:
        raise ClewError("The prompt is empty; give at least one token id or message.")
    if sink not in (None, "none") and named_sink_id(model, sink) != ids[0]:
        raise ClewError(
            "The sink of a prompt of token ids is its first id; put that token first, or leave the sink out."
        )
    size = model.unembedding_weight.shape[0]
    for token in ids:
        if not 0 <= token < size:
            raise ClewError(f"Token id {token} is not in the vocabulary; use ids from 0 to {size - 1}.")
    check_length(model, len(ids))
    text = model.vocabulary.text_of(ids)
    choice = None if sink == "none" else _first_of(model, ids, "the first id given")
    return _prompt(model, text, ids, choice)


def check_length(model: LanguageModel, length: int) -> None:
    """Raise `ClewError` for a prompt with more tokens than the model reads."""
    if length > model.context_length:
        raise ClewError(
            f"The prompt is {length:,} tokens long, but {model.name} reads at most {model.context_length:,}; "
            "shorten it."
        )


def _prompt(model: LanguageModel, text: str, ids: list[int], sink: Sink | None, changes: str = "") -> Prompt:
    return Prompt(text, torch.tensor(ids), tuple(model.token_text(token) for token in ids), sink, changes)
