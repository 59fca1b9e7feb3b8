"""Batches that the first process of a run reads, and tells all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxtyping import Int
from torch import Tensor

from clew.training.ranks import Ranks
from clew.training.text.batches import TokenBatches


class SharedBatches:
    """The same batches in every process; all must ask for them together."""

    def __init__(self, ranks: Ranks, open_batches: Callable[[], TokenBatches]) -> None:
        """Open the text in the first process alone."""
        self._ranks = ranks
        self._opened = open_batches() if ranks.is_first else None
        self.held_out = ranks.share(self._opened.held_out if self._opened else None, 0)

    @property
    def batch(self) -> int:
        """Sequences of the next batch, in the first process."""
        return self._opened.batch if self._opened else 0

    @batch.setter
    def batch(self, sequences: int) -> None:
        if self._opened:
            self._opened.batch = sequences

    def next(self) -> Int[Tensor, "sequence position"]:
        """Give the next batch."""
        return self._ranks.share(self._opened.next() if self._opened else None, 0)

    def state(self) -> dict[str, Any]:
        """Tell the place in the text; nothing in other processes than the first."""
        return self._opened.state() if self._opened else {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from such a place."""
        if self._opened:
            self._opened.restore(state)
