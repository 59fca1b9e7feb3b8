"""The tokenizer of a model folder, checked against the model's vocabulary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from clew.errors import ClewError
from clew.model.library_calls import library_call
from clew.model.transformers_logging import quiet_transformers
from clew.plain_text import shortened
from clew.progress import OnNote, ignore_note

FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tekken.json", "spiece.model")
"""Files of which a tokenizer needs at least one."""
NEVER_IN_A_TEXT = ("<image_soft_token>",)
"""Tokens beyond a text model's vocabulary that its multimodal siblings put in place of a picture."""
TOKEN_SETTINGS = ["__type", "content", "id", "lstrip", "normalized", "rstrip", "single_word", "special"]
"""Settings of an added token."""
LONGEST_VALUE = 16 * 2**20
"""Characters of a value of tokenizer.json that is read, such as its added tokens."""
SAMPLE = "The capital of France is Paris. 1, 2"


def load_tokenizer(folder: Path, n_rows: int, on_note: OnNote = ignore_note) -> Any:
    """The tokenizer of a folder, for a network with embeddings of `n_rows` tokens.

    Raises `ClewError` for one that is missing, does not load or work, or has more tokens than the network.
    """
    if not any((folder / name).is_file() for name in FILES):
        raise ClewError(
            f"{folder} holds no tokenizer (such as tokenizer.json); save the model's tokenizer there with "
            "`save_pretrained`."
        )
    _check_token_settings(folder)
    from transformers import AutoTokenizer

    with (
        quiet_transformers(),
        library_call(partial(_does_not_load, folder)),
    ):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        vocabulary = tokenizer.get_vocab()
        added = {token: bool(each.special) for token, each in tokenizer.added_tokens_decoder.items()}
        ids = tokenizer.encode(SAMPLE, add_special_tokens=False)
        tokenizer.decode(ids)
        texts = _samples(tokenizer)
        split = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
        as_stored = _ids_as_stored(folder / "tokenizer.json", tokenizer, texts)
        around = tokenizer.encode(SAMPLE)
        around_as_stored = _around_as_stored(folder / "tokenizer.json", tokenizer)
    _check_vocabulary(folder, vocabulary, added, n_rows, on_note)
    if as_stored not in (None, split):
        what = "texts" if as_stored[0] != split[0] else "a text behind a space or a special token"
        on_note(
            f"transformers reads this tokenizer as {type(tokenizer).__name__}, which splits {what} otherwise "
            "than tokenizer.json alone; check the tokens of your prompt."
        )
    if around_as_stored not in (None, around):
        on_note(
            f"transformers reads this tokenizer as {type(tokenizer).__name__}, which puts other special "
            f"tokens around a text than tokenizer.json alone ({_named(tokenizer, around, ids)} instead of "
            f"{_named(tokenizer, around_as_stored, ids)}); check the tokens of your prompt."
        )
    return tokenizer


def _around_as_stored(path: Path, tokenizer: Any) -> list[int] | None:
    """The sample's ids with the special tokens of tokenizer.json's own template, split as they are here.

    None where there is no tokenizer.json, or transformers took the template as it is.
    """
    from tokenizers import Tokenizer

    if not (path.is_file() and tokenizer.is_fast):
        return None
    backend, stored = (
        tokenizer.backend_tokenizer,
        _value_of(path.read_text(encoding="utf-8"), "post_processor"),
    )
    own = backend.post_processor
    if stored == (None if own is None else json.loads(own.__getstate__())):
        return None
    model = {"type": "WordLevel", "vocab": {"": 0}, "unk_token": ""}
    template = Tokenizer.from_str(json.dumps({"model": model, "added_tokens": [], "post_processor": stored}))
    return template.post_process(backend.encode(SAMPLE, add_special_tokens=False)).ids


def _does_not_load(folder: Path, reason: str) -> str:
    return f"The tokenizer in {folder} does not load: {reason}; fetch it again."


def _check_token_settings(folder: Path) -> None:
    """Raise `ClewError` for settings of a token that no tokenizer knows; the library would print them raw."""
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        path = folder / name
        if not path.is_file():
            continue
        with library_call(
            lambda reason: f"The tokenizer in {folder} does not load: {reason}; fetch it again."
        ):
            text = path.read_bytes().decode()
            waiting = [_value_of(text, "added_tokens") if name == FILES[0] else json.loads(text)]
        while waiting:
            part = waiting.pop()
            if isinstance(part, dict) and "content" in part:
                if unknown := [key for key in part if key not in TOKEN_SETTINGS]:
                    raise ClewError(
                        f"{path} gives a token the setting {shortened(unknown[0], 40)!r}, which no tokenizer "
                        "knows; correct its spelling, or remove it."
                    )
            elif isinstance(part, dict | list):
                waiting += part.values() if isinstance(part, dict) else part


def _named(tokenizer: Any, whole: list[int], bare: list[int]) -> str:
    """The tokens in front of a text's and behind them: `<s> ... </s>`."""
    front = next(at for at in range(len(whole)) if whole[at : at + len(bare)] == bare)
    names = tokenizer.convert_ids_to_tokens([*whole[:front], *whole[front + len(bare) :]])
    return " ".join([*names[:front], "...", *names[front:]])


def _samples(tokenizer: Any) -> list[str]:
    """The sample alone, behind a space, and behind a special token, where tokenizers differ."""
    special = (each for each in tokenizer.added_tokens_decoder.values() if each.special)
    return [SAMPLE, f" {SAMPLE}", *(f"{each.content}{SAMPLE}" for each in islice(special, 1))]


def _ids_as_stored(path: Path, tokenizer: Any, texts: Sequence[str]) -> list[list[int]] | None:
    """The ids of some texts by tokenizer.json alone; None where transformers took its parts as they are."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    if not (path.is_file() and tokenizer.is_fast) or type(tokenizer) is PreTrainedTokenizerFast:
        return None
    backend, text = tokenizer.backend_tokenizer, path.read_text(encoding="utf-8")
    parts = {"normalizer": backend.normalizer, "pre_tokenizer": backend.pre_tokenizer}
    made = [(name, None if part is None else json.loads(part.__getstate__())) for name, part in parts.items()]
    if all(_value_of(text, name) == part for name, part in made):
        return None
    stored = Tokenizer.from_file(str(path))
    stored.no_truncation()
    stored.no_padding()
    return [stored.encode(text, add_special_tokens=False).ids for text in texts]


def _value_of(text: str, key: str) -> Any:
    """One value of a JSON object whose whole takes seconds to read (a vocabulary of 262,144 tokens)."""
    place = text.find(f'"{key}":')
    if place < 0:
        return None
    start = place + len(f'"{key}":')
    return json.JSONDecoder().raw_decode(text[start : start + LONGEST_VALUE].lstrip())[0]


def _check_vocabulary(
    folder: Path, vocabulary: dict[str, int], added: dict[int, bool], n_rows: int, on_note: OnNote
) -> None:
    beyond = sorted((token, text) for text, token in vocabulary.items() if token >= n_rows)
    special = [(token, text) for token, text in beyond if added.get(token, False)]
    if ordinary := [each for each in beyond if each not in special]:
        token, text = ordinary[0]
        raise ClewError(
            f"The tokenizer in {folder} has {len(beyond):,} tokens (such as {shortened(text, 40)!r}, id "
            f"{token}) beyond the {n_rows:,} of the model, so it is another model's, or the embeddings were "
            "not resized; use the model's own tokenizer."
        )
    if unknown := [(token, text) for token, text in special if text not in NEVER_IN_A_TEXT]:
        token, text = unknown[0]
        example = shortened(text, 40)
        on_note(f"The tokenizer has {len(unknown)} special tokens that the model lacks, such as {example!r}.")
