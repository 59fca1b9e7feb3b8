"""The data of a training run: text of files and datasets, or text that the model writes itself."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.progress import OnStep, ignore_step
from clew.training.text.batches import TextBatches, TokenBatches
from clew.training.text.beginnings import sentence_beginnings, word_beginnings
from clew.training.text.kept_text import kept_text
from clew.training.text.own_text import write_texts
from clew.training.text.sequences import SequenceCutter
from clew.training.text.sources import Skipped, Source, find_sources
from clew.training.text.streamed_batches import StreamedBatches

SELF = "self"
"""The name of the data that the model writes itself."""
OWN_TEXT_FILE = "own_text.safetensors"
TIMES_READ = 4
"""Times that a run reads the model's own text: to write a token costs about as much as to train on it."""
MOST_OWN_TOKENS = 8_000_000
"""Tokens of its own that a model writes at most."""
TEMPERATURE = 0.8
"""The divisor of logits: small models lose the thread at 1."""
PIECES = 1000
"""Pieces of each source from which beginnings are taken."""
WRITTEN_TOGETHER = {"cuda": 8192, "cpu": 64}
"""Texts that are written side by side on a device."""


@dataclass(frozen=True)
class Shape:
    """The size of batches, and of what is kept apart."""

    first_token: int
    """The sink, which begins every sequence."""
    context: int
    """Tokens of a sequence, the sink included."""
    batch: int
    """Sequences of a batch."""
    held_out: int = 256
    """Sequences that are kept apart."""
    seed: int = 0
    """Seed of the order, and of the model's draws."""


def open_data(
    model: LanguageModel,
    data: Sequence[str],
    shape: Shape,
    *,
    tokens: int,
    field: str = "text",
    folder: Path | None = None,
    skipped: Skipped | None = None,
    on_step: OnStep = ignore_step,
) -> TokenBatches:
    """Open the texts to train on.

    `self` alone lets the model write behind single words; `self` and files, behind beginnings of the files'
    sentences. Raises `ClewError` for data that is not there, cannot be read or is too little.

    Args:
        model: The model whose tokens they are.
        data: `self`, or files, folders and datasets, as `find_sources` reads them.
        shape: The size of batches.
        tokens: Tokens that the run reads, by which the model knows how many to write.
        field: The field or column that holds the text, where there are several.
        folder: Where the model's own text is kept; None keeps it in memory alone.
        skipped: Where to count what cannot be read.
        on_step: Called with how many texts the model has written, and how many it will write.
    """
    skipped = skipped or Skipped()
    sources = find_sources([name for name in data if name != SELF], field, skipped)
    if SELF not in data:
        if not sources:
            raise ClewError(f"No text is named; name files, a folder, a dataset of the Hub, or {SELF!r}.")
        special = frozenset(model.vocabulary.special)
        cutter = SequenceCutter(model.tokenizer, special, shape.first_token, shape.context)
        return StreamedBatches(
            sources,
            cutter,
            batch=shape.batch,
            seed=shape.seed,
            held_out=shape.held_out,
            skipped=skipped,
        )
    worth = min(tokens // TIMES_READ, MOST_OWN_TOKENS)
    n_texts = shape.held_out + max(shape.batch, -(-worth // (shape.context - 1)))

    def write() -> Int[Tensor, "text position"]:
        beginnings = _beginnings(model, sources, n_texts, random.Random(shape.seed))
        return write_texts(
            model,
            beginnings,
            n_texts,
            shape.context,
            first_token=shape.first_token,
            temperature=TEMPERATURE,
            seed=shape.seed,
            batch=WRITTEN_TOGETHER.get(model.device.type, 64),
            on_step=on_step,
        )

    facts = {
        "model": model.weights_key or model.name,
        "made as": f"{n_texts} texts of {shape.context} tokens behind {shape.first_token}, seed {shape.seed}",
        "beginnings": ", ".join(source.identity for source in sources) or "words",
    }
    texts = write() if folder is None else kept_text(folder / OWN_TEXT_FILE, facts, write)
    return TextBatches(texts, shape.batch, shape.seed, shape.held_out)


def _beginnings(
    model: LanguageModel, sources: Sequence[Source], count: int, draw: random.Random
) -> list[list[int]]:
    if not sources:
        return word_beginnings(model, count, draw)
    pieces = (piece.text for source in sources for piece in islice(source.pieces(0), PIECES))
    beginnings = list(sentence_beginnings(model, pieces, draw))
    if not beginnings:
        named = ", ".join(source.name for source in sources[:3])
        raise ClewError(f"{named} holds no sentence that the model could go on from; name another text.")
    draw.shuffle(beginnings)
    return beginnings[:count]
