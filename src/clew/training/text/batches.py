"""Batches of token sequences for training, whose place in the text can be saved and restored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from jaxtyping import Int
from torch import Tensor

from clew.errors import ClewError


class TokenBatches(Protocol):
    """An endless stream of batches; the first column is the sink."""

    held_out: Int[Tensor, "sequence position"]
    """Sequences that no batch holds."""

    @property
    def batch(self) -> int:
        """Sequences of the next batch; may change between batches."""
        ...

    @batch.setter
    def batch(self, sequences: int) -> None: ...

    def next(self) -> Int[Tensor, "sequence position"]:
        """Give the next batch, as int64 on the CPU."""
        ...

    def state(self) -> dict[str, Any]:
        """Tell the place in the text, in plain numbers and strings."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from such a place: the batches that follow are those that followed there.

        Raises `ClewError` if it is a place in another text.
        """
        ...


class TextBatches:
    """Batches of texts in memory: one shuffled order of all of them after the other.

    >>> batches = TextBatches(torch.arange(8).view(4, 2), batch=4, seed=0)
    >>> sorted(batches.next()[:, 0].tolist())
    [0, 2, 4, 6]
    """

    def __init__(
        self, tokens: Int[Tensor, "text position"], batch: int, seed: int, held_out: int = 0
    ) -> None:
        """Take texts of equal length, each with the sink in front.

        Raises `ClewError` if none is left to train on.

        Args:
            tokens: The texts; any type of integers, kept as it is to save memory.
            batch: Texts of a batch. It may be larger than the number of texts.
            seed: Seed of the orders.
            held_out: Texts at the beginning that are kept apart, in `held_out`.
        """
        if len(tokens) <= held_out:
            raise ClewError(
                f"The data holds {len(tokens):,} sequences and {held_out:,} of them are kept apart, so "
                "none is left to train on; give more text."
            )
        self.held_out = tokens[:held_out].long()
        self.batch = batch
        self.seed = seed
        self._texts = tokens[held_out:]
        self._start(epoch=0, place=0)

    def __repr__(self) -> str:
        return f"TextBatches({len(self._texts):,} texts, batch {self.batch}, epoch {self._epoch})"

    def next(self) -> Int[Tensor, "sequence position"]:
        """Give the next batch; where an order ends, the next one begins within the batch."""
        rows = torch.cat(list(self._next_rows(self.batch)))
        return self._texts[rows].long()

    def state(self) -> dict[str, Any]:
        """Tell the place in the text: the order's number and how much of it is used."""
        return {"texts": len(self._texts), "seed": self.seed, "epoch": self._epoch, "place": self._place}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a place in these texts; raises `ClewError` for a place in others."""
        if (state["texts"], state["seed"]) != (len(self._texts), self.seed):
            raise ClewError(
                f"The run to go on with was at {state['texts']:,} texts with seed {state['seed']}, and this "
                f"one has {len(self._texts):,} with seed {self.seed}; resume with the same text and seed."
            )
        self._start(state["epoch"], state["place"])

    def _next_rows(self, wanted: int) -> Iterator[Int[Tensor, " text"]]:
        while wanted:
            if self._place == len(self._order):
                self._start(self._epoch + 1, place=0)
            rows = self._order[self._place : self._place + wanted]
            self._place += len(rows)
            wanted -= len(rows)
            yield rows

    def _start(self, epoch: int, place: int) -> None:
        self._epoch, self._place = epoch, place
        self._order = shuffled(len(self._texts), self.seed, epoch)


def shuffled(size: int, seed: int, epoch: int) -> Int[Tensor, " size"]:
    """A random order, the same for the same seed and epoch."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
