"""From texts to batches of token windows: the same ones, whoever reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Int32, Int64

from clew.index.creation.corpus import Piece
from clew.model.language_model import LanguageModel
from clew.model.prompt import least_disturbing_sink

PIECES_AT_ONCE = 16
"""Are tokenised together."""
SORTED_TOGETHER = 4
"""Batches whose windows are dealt out by length, so that little is padded."""
CONTEXT = 8
"""Tokens, the last being the peak, that tell one example from another: those after it change nothing."""


@dataclass(frozen=True)
class Batch:
    """Windows that are read together; shorter ones are filled up at their end."""

    number: int
    window_ids: Int64[np.ndarray, " window"]
    """Their places in the corpus."""
    token_ids: Int32[np.ndarray, "window position"]
    lengths: Int64[np.ndarray, " window"]
    digest: str
    """Of all windows up to these."""
    n_texts: int
    """How many texts were begun up to here."""

    def contexts(self, first: int) -> Int64[np.ndarray, "window position"]:
        """For each position a hash of the `CONTEXT` tokens that end there; the sink is none of them."""
        found = np.zeros(self.token_ids.shape, dtype=np.uint64)
        ids = self.token_ids.astype(np.uint64) + np.uint64(1)
        for back in range(CONTEXT):
            shifted = np.zeros_like(found)
            if first + back < ids.shape[1]:
                shifted[:, first + back :] = ids[:, first : ids.shape[1] - back]
            found = mixed(found ^ shifted)
        return (found >> np.uint64(1)).astype(np.int64)


def mixed(number: np.ndarray) -> np.ndarray:
    """A uint64 whose every bit depends on all of `number`'s (splitmix64)."""
    with np.errstate(over="ignore"):
        number = number + np.uint64(0x9E3779B97F4A7C15)
        number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


def choose_sink(model: LanguageModel, pieces: Iterable[Piece]) -> int | None:
    """The token in front of every window, as a trace would choose it for the beginning of the texts."""
    tokenizer = model.tokenizer
    marked = tokenizer.encode("a", add_special_tokens=True)
    if marked[:1] == [tokenizer.bos_token_id] and len(marked) > 1:
        return marked[0]
    for piece in islice(pieces, 10):
        ids = tokenizer.encode(piece.text[:2000], add_special_tokens=False)
        if ids:
            choice = least_disturbing_sink(model, ids[: min(96, model.context_length - 1)])
            return None if choice is None else choice.token_id
    return None


def cut_batches(
    model: LanguageModel, pieces: Iterable[Piece], *, window: int, batch: int, sink: int | None, wanted: int
) -> Iterator[Batch]:
    """The windows of all texts (at most `wanted` tokens; 0 for all), `batch` of them at a time.

    A window belongs to one text. It holds up to `window` tokens, the sink included.
    """
    digest, number, first_window = hashlib.blake2b(digest_size=16), 0, 0
    windows = _windows(model, pieces, window, sink, wanted)
    while some := list(islice(windows, SORTED_TOGETHER * batch)):
        lengths = np.array([len(ids) for ids, _ in some])
        order = np.argsort(-lengths, kind="stable")
        for begin in range(0, len(some), batch):
            chosen = order[begin : begin + batch]
            token_ids = np.full((len(chosen), int(lengths[chosen].max())), sink or 0, dtype=np.int32)
            for row, place in enumerate(chosen):
                token_ids[row, : lengths[place]] = some[place][0]
            digest.update(token_ids.tobytes())
            digest.update(lengths[chosen].tobytes())
            yield Batch(
                number, first_window + chosen, token_ids, lengths[chosen], digest.hexdigest(), some[-1][1]
            )
            number += 1
        first_window += len(some)


def _windows(
    model: LanguageModel, pieces: Iterable[Piece], window: int, sink: int | None, wanted: int
) -> Iterator[tuple[list[int], int]]:
    """Token ids of each window, and how many texts were begun up to it."""
    front = [] if sink is None else [sink]
    room = window - len(front)
    left = wanted or float("inf")
    held: list[int] = []
    n_texts = 0
    for ids, begins in _tokenised(model, pieces):
        if begins and held:
            taken = held[: int(min(len(held), left))]
            left -= len(taken)
            yield front + taken, n_texts
            held = []
        n_texts += begins
        held += ids
        while len(held) >= room and left > 0:
            taken = held[: int(min(room, left))]
            left -= len(taken)
            yield front + taken, n_texts
            held = held[room:]
        if left <= 0:
            return
    if held:
        yield front + held[: int(min(len(held), left))], n_texts


def _tokenised(model: LanguageModel, pieces: Iterable[Piece]) -> Iterator[tuple[list[int], bool]]:
    stream = iter(pieces)
    while some := list(islice(stream, PIECES_AT_ONCE)):
        texts = [piece.text for piece in some]
        found = model.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        yield from ((ids, piece.begins) for ids, piece in zip(found, some, strict=True))
