"""Windows of tokens: cut from texts and batched, the same for every worker."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from jaxtyping import Int32, Int64

from clew.index.creation.corpus import Piece
from clew.model.language_model import LanguageModel
from clew.model.sink import least_disturbing_sink

PIECES_AT_ONCE = 16
"""Pieces of text that are tokenised together."""
SORTED_TOGETHER = 4
"""Batches that share out their windows by length, so that little is padded."""


@dataclass(frozen=True)
class Batch:
    """Windows that are read together; shorter ones are padded at their end."""

    number: int
    window_ids: Int64[np.ndarray, " window"]
    """The number of each window in the corpus."""
    token_ids: Int32[np.ndarray, "window position"]
    lengths: Int64[np.ndarray, " window"]
    digest: str
    """A digest of all windows up to these."""
    n_texts: int
    """Texts that began up to here."""


def choose_sink(model: LanguageModel, pieces: Iterable[Piece]) -> int | None:
    """The token to put before every window, chosen as a trace chooses it, on the first texts."""
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
    """Batches of `batch` windows of all texts, of at most `wanted` tokens (0 for all).

    A window belongs to one text and has at most `window` tokens, the sink included.
    """
    digest, number, first_window = hashlib.blake2b(digest_size=16), 0, 0
    windows = _windows(model, pieces, window, sink, wanted)
    while group := list(islice(windows, SORTED_TOGETHER * batch)):
        lengths = np.array([len(ids) for ids, _ in group])
        order = np.argsort(-lengths, kind="stable")
        for begin in range(0, len(group), batch):
            chosen = order[begin : begin + batch]
            token_ids = np.full((len(chosen), int(lengths[chosen].max())), sink or 0, dtype=np.int32)
            for row, place in enumerate(chosen):
                token_ids[row, : lengths[place]] = group[place][0]
            digest.update(token_ids.tobytes())
            digest.update(lengths[chosen].tobytes())
            yield Batch(
                number, first_window + chosen, token_ids, lengths[chosen], digest.hexdigest(), group[-1][1]
            )
            number += 1
        first_window += len(group)


def _windows(
    model: LanguageModel, pieces: Iterable[Piece], window: int, sink: int | None, wanted: int
) -> Iterator[tuple[list[int], int]]:
    """Token ids of each window, and the number of texts that began up to it."""
    front = [] if sink is None else [sink]
    room = window - len(front)
    left = wanted or float("inf")
    held: list[int] = []
    n_texts = 0
    for ids, begins in chain(_tokenised(model, pieces), [([], True)]):  # the last text ends, too
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


def _tokenised(model: LanguageModel, pieces: Iterable[Piece]) -> Iterator[tuple[list[int], bool]]:
    stream = iter(pieces)
    while some := list(islice(stream, PIECES_AT_ONCE)):
        texts = [piece.text for piece in some]
        tokenised = model.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        yield from ((ids, piece.begins) for ids, piece in zip(tokenised, some, strict=True))
