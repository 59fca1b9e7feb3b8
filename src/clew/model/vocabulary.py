"""The spelling of tokens, read from the vocabulary.

A tokenizer's `decode` of a single id loses the space in front (Llama 2) or the bytes of a part of a
character, so that different tokens look the same. The vocabulary has them, in the alphabet of the
tokenizer's decoder: `Ġ` or `▁` for a space, `<0xE2>` or a letter of GPT-2's alphabet for a byte.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from clew.utf8 import joined_tokens, spelled_bytes

Spelling: TypeAlias = Callable[[str], bytes]
"""The bytes that a piece of the vocabulary stands for."""

BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer's tokens by id; identity is by id, because two tokens may have one spelling."""

    tokenizer: Any
    size: int
    """Rows of the unembedding, which may be more than the tokenizer's tokens."""

    def text(self, token_id: int) -> str:
        """A token's text with its leading space.

        Bytes that are no UTF-8 by themselves are written as `<0xE2 0x80>`, an id without a token as
        `<50300>`.
        """
        piece = self.tokenizer.convert_ids_to_tokens(token_id)
        if piece is None:
            return f"<{token_id}>"
        return piece if token_id in self._literal else spelled_bytes(self._spelling(piece))

    def text_of(self, token_ids: Iterable[int]) -> str:
        """The text of tokens that follow each other; between tokens of whole words stands a space."""
        texts = [self.text(token) for token in token_ids]
        return joined_tokens(texts) if self.has_spaces else " ".join(texts)

    @cached_property
    def has_spaces(self) -> bool:
        """False for tokens of whole words, whose spaces belong to none of them."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        return backend is None or backend.decoder is not None

    def ids_of(self, text: str) -> Sequence[int]:
        """The ids of all tokens that are spelled like this."""
        return self._ids_by_text.get(text, ())

    @cached_property
    def special(self) -> tuple[int, ...]:
        """The ids of special tokens that have a row of the unembedding, in order."""
        added = self.tokenizer.added_tokens_decoder.items()
        return tuple(sorted(token for token, each in added if each.special and token < self.size))

    @cached_property
    def _literal(self) -> frozenset[int]:
        """Tokens spelled as they stand: special ones, and all added ones beside an alphabet of bytes."""
        added = self.tokenizer.added_tokens_decoder.items()
        of_bytes = self._spelling is bytes_of_alphabet
        return frozenset(token for token, each in added if of_bytes or each.special)

    @cached_property
    def _spelling(self) -> Spelling:
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:  # a tokenizer in Python, which reads SentencePiece's pieces
            return bytes_of_marked
        steps = list(_steps(json.loads(backend.to_str())["decoder"]))
        if any(step["type"] == "ByteLevel" for step in steps):
            return bytes_of_alphabet
        return lambda piece: _through(steps, piece)

    @cached_property
    def _ids_by_text(self) -> dict[str, list[int]]:
        ids: dict[str, list[int]] = defaultdict(list)
        for token in range(self.size):
            ids[self.text(token)].append(token)
        return ids


def bytes_of_alphabet(piece: str) -> bytes:
    """The bytes of a piece in GPT-2's alphabet, which has a printable character for each byte."""
    try:
        return bytes(BYTE_OF_CHARACTER[character] for character in piece)
    except KeyError:
        return piece.encode()


def bytes_of_marked(piece: str) -> bytes:
    """The bytes of a SentencePiece piece: `▁` is a space, `<0xE2>` a byte."""
    byte = BYTE_PIECE.fullmatch(piece)
    return bytes.fromhex(byte[1]) if byte else piece.replace("▁", " ").encode()


def _through(steps: list[dict[str, Any]], piece: str) -> bytes:
    """The bytes of a piece after those steps of a decoder that say what a single piece stands for."""
    for step in steps:
        match step:
            case {"type": "Replace", "pattern": {"String": mark}, "content": content}:
                piece = piece.replace(mark, content)
            case {"type": "Metaspace", "replacement": mark}:
                piece = piece.replace(mark, " ")
            case {"type": "ByteFallback"} if byte := BYTE_PIECE.fullmatch(piece):
                return bytes.fromhex(byte[1])
            case {"type": "BPEDecoder", "suffix": suffix} if suffix and piece.endswith(suffix):
                piece = piece.removesuffix(suffix) + " "
            case {"type": "WordPiece", "prefix": prefix}:
                piece = piece.removeprefix(prefix) if piece.startswith(prefix) else " " + piece
    return piece.encode()


def _steps(decoder: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The steps of a decoder in their order; None has none."""
    if decoder is None:
        return
    if decoder["type"] == "Sequence":
        for part in decoder["decoders"]:
            yield from _steps(part)
    else:
        yield decoder


def _alphabet() -> dict[str, int]:
    """Each byte by its character: its own where that shows, else one from U+0100 on, as in GPT-2."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = sorted(set(range(0x100)) - set(shown))
    return {chr(byte): byte for byte in shown} | {chr(0x100 + rank): byte for rank, byte in enumerate(hidden)}


BYTE_OF_CHARACTER = _alphabet()
