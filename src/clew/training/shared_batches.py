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
        """Open the text in the first process alone; a `ClewError` there is raised in all."""
        self._ranks, self.batch = ranks, 0
        self._opened: TokenBatches | None = None

        def opened() -> Int[Tensor, "sequence position"]:
            self._opened = open_batches()
            return self._opened.held_out

        self.held_out = ranks.by_first(opened)

    def next(self) -> Int[Tensor, "sequence position"]:
        """Give the next batch."""
        return self._ranks.by_first(self._next)

    def _next(self) -> Int[Tensor, "sequence position"]:
        assert self._opened is not None
        self._opened.batch = self.batch
        return self._opened.next()

    def state(self) -> dict[str, Any]:
        """Tell the place in the text; nothing in other processes than the first."""
        return self._opened.state() if self._opened else {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from such a place."""
        if self._opened:
            self._opened.restore(state)
