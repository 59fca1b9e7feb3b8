"""Batches from texts that are read while training goes on, shuffled in a buffer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from clew.errors import ClewError
from clew.index.creation.corpus import Piece
from clew.training.text.batches import shuffled
from clew.training.text.sequences import SequenceCutter
from clew.training.text.sources import Skipped, Source

BUFFER = 4096
"""Sequences among which a batch is drawn."""
APART = 16
"""One of so many sequences is kept apart, at the beginning of the data, until there are enough."""
BETWEEN = "\n\n"
"""The space between two texts in one sequence."""


@dataclass(frozen=True)
class Place:
    """A place in the data, between two pieces."""

    epoch: int = 0
    source: int = 0
    """The number of the source, in the order in which they are read."""
    pieces: int = 0
    """Pieces of this source that have been read."""
    sequences: int = 0
    """Sequences that this epoch has given."""
    rest: str = ""
    """The end of the last piece, which the next sequence begins with."""


class StreamedBatches:
    """Batches of sequences from sources, again from the start when all are read.

    The sources have one order, so that each time round gives the same sequences, and those that are kept
    apart stay apart.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        cutter: SequenceCutter,
        *,
        batch: int,
        seed: int,
        held_out: int,
        skipped: Skipped,
        buffer: int = BUFFER,
    ) -> None:
        """Read the beginning of the data, and keep every 16th sequence of it apart.

        Raises `ClewError` if the data has too little text that can be read.

        Args:
            sources: Files or datasets.
            cutter: What cuts their texts.
            batch: Sequences of a batch.
            seed: Seed of the order of sources and of the draws from the buffer.
            held_out: Sequences that are kept apart; fewer where the data is small.
            skipped: The reasons why parts of the sources were not read, for the sentence of an error.
            buffer: Sequences among which a batch is drawn.
        """
        self.batch, self.seed = batch, seed
        self._sources = [sources[number] for number in shuffled(len(sources), seed, 0).tolist()]
        self._cutter, self._buffer_size, self._wanted_apart = cutter, buffer, held_out
        self._generator = torch.Generator().manual_seed(seed)
        self._place = Place()
        self._reading: Iterator[Piece] | None = None
        self._skipped = skipped
        self._buffer: list[Int[Tensor, " position"]] = []
        self.held_out = torch.empty(0, cutter.length, dtype=torch.int64)
        while self._place.epoch == 0 and self._place.sequences < max(buffer, APART * held_out):
            self._read_piece()
        if not self._buffer:
            raise self._too_little()

    def __repr__(self) -> str:
        return f"StreamedBatches({len(self._sources):,} sources, batch {self.batch}, {self._place})"

    def next(self) -> Int[Tensor, "sequence position"]:
        """Give the next batch, drawn from the buffer, which is filled up before."""
        while len(self._buffer) < self._buffer_size + self.batch:
            self._read_piece()
        return torch.stack([self._draw(share) for share in self._shares()]).long()

    def state(self) -> dict[str, Any]:
        """Tell the place in the data, and what the buffer holds."""
        return {
            "sources": self._identity(),
            "place": asdict(self._place),
            "buffer": torch.stack(self._buffer),
            "random": self._generator.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a place in the same data; raises `ClewError` where files have changed since."""
        before, now = state["sources"], self._identity()
        if len(before) != len(now) or not all(map(_same_source, before, now)):
            changed = next((name for name in before if name not in now), "the order of the sources")
            raise ClewError(
                f"The text that the run was trained on has changed ({changed}); resume with the same text, "
                "length of sequences and seed, or begin anew."
            )
        self._place, self._reading = Place(**state["place"]), None
        self._buffer = list(state["buffer"].unbind())
        self._generator.set_state(state["random"])

    def _shares(self) -> list[float]:
        return torch.rand(self.batch, generator=self._generator, dtype=torch.float64).tolist()

    def _draw(self, share: float) -> Int[Tensor, " position"]:
        """Take the sequence so far up in the buffer out of it; the last one gets its place."""
        place, last = int(share * len(self._buffer)), self._buffer.pop()
        if place == len(self._buffer):
            return last
        drawn, self._buffer[place] = self._buffer[place], last
        return drawn

    def _identity(self) -> list[str]:
        cutter = f"sequences of {self._cutter.length} tokens, seed {self.seed}"
        return [*(source.identity for source in self._sources), cutter]

    def _read_piece(self) -> None:
        """Put the sequences of the next piece in the buffer, or go on to the next source."""
        place = self._place
        reading = self._reading or self._sources[place.source].pieces(place.pieces)
        self._reading, piece = reading, next(reading, None)
        if piece is None:
            self._reading = None
            if place.source + 1 < len(self._sources):
                self._place = Place(place.epoch, place.source + 1, 0, place.sequences, place.rest)
            elif place.sequences:
                self._place = Place(place.epoch + 1)
            else:
                raise self._too_little()
            return
        between = BETWEEN if piece.begins and place.rest else ""
        sequences, rest = self._cutter.cut(place.rest + between + piece.text)
        numbers = torch.arange(place.sequences, place.sequences + len(sequences))
        apart = (numbers % APART == 0) & (numbers < APART * self._wanted_apart)
        if place.epoch == 0:
            self.held_out = torch.cat([self.held_out, sequences[apart].long()])
        self._buffer += sequences[~apart].unbind()
        self._place = Place(
            place.epoch, place.source, place.pieces + 1, place.sequences + len(sequences), rest
        )

    def _too_little(self) -> ClewError:
        names = [source.name for source in self._sources]
        named = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        why = f" (skipped: {self._skipped})" if self._skipped.reasons else ""
        return ClewError(
            f"The text in {named} fills too few sequences of {self._cutter.length:,} tokens, some of which "
            f"are kept apart{why}; name more text, or train on shorter sequences."
        )


def _same_source(before: str, now: str) -> bool:
    """True for one identity, also of a place that was saved before identities held a key of the content."""
    return before == now or (before.endswith(" bytes)") and now.startswith(f"{before[:-1]}, "))
