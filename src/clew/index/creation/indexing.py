"""One pass over texts that records what every feature fires on."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from clew.attribution.output_tokens import extreme_tokens
from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import WritePoint
from clew.errors import ClewError
from clew.index.creation.checkpoints import read_statistics, write_statistics
from clew.index.creation.corpus import OnSkip, find_files, read_pieces
from clew.index.creation.plan import (
    check_resumable,
    check_same_texts,
    other_texts,
    plan_index,
    with_fewer_tokens,
)
from clew.index.creation.statistics import DeviceBatch, LayerStatistics
from clew.index.creation.windows import Batch, cut_batches, read_activations
from clew.index.settings import IndexSettings
from clew.index.storage.blobs import pack_scored
from clew.index.storage.locations import check_location
from clew.index.storage.metadata import IndexMetadata, read_metadata, write_metadata
from clew.index.storage.schema import connect
from clew.index.storage.search import build_text_search
from clew.index.storage.texts import drop_unused_windows, token_ids_used, write_token_texts, write_windows
from clew.model.language_model import LanguageModel
from clew.progress import OnProgress, ignore_progress
from clew.sqlite import transaction
from clew.system_errors import database_sentence

SECONDS_BETWEEN_CHECKPOINTS = 120.0
SHARE_OF_CHECKPOINTS = 0.02
"""The most of the time that checkpoints may take."""
WINDOWS_HELD = 2**17
"""Windows in memory between checkpoints, 64 MB of tokens."""
FEATURES_AT_ONCE = 512
"""Features whose output tokens are computed together."""


@dataclass
class _Pass:
    """A pass under way: the statistics so far, and what the next checkpoint writes besides."""

    metadata: IndexMetadata
    layers: dict[int, LayerStatistics]
    written: int
    """Batches up to the last checkpoint, which only this pass may have written."""
    windows: dict[int, np.ndarray] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)


def index_texts(
    model: LanguageModel,
    dictionary: Dictionary,
    paths: Sequence[str | Path],
    out: Path,
    settings: IndexSettings = IndexSettings(),
    *,
    on_progress: OnProgress = ignore_progress,
    on_skip: OnSkip = lambda reason, path: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> IndexMetadata:
    """Read texts once and write the index of a model's features to `out`; returns its metadata.

    A checkpoint holds the statistics and the place in the texts in one transaction, so `settings.resume`
    counts nothing twice after any interruption; it may ask for fewer tokens than the index was begun for.
    `should_stop` is called between batches; where it returns True, a checkpoint is written and the index
    stays unfinished. Raises `ClewError` for texts that do not exist, an index that exists already or was
    begun with other settings, and a disk that is full.
    """
    files = find_files(paths)
    check_location(out, resume=settings.resume)
    is_new = not out.exists()
    skipped: Counter[str] = Counter()

    def skip(reason: str, path: Path) -> None:
        skipped[reason] += 1
        on_skip(reason, path)

    metadata = plan_index(model, dictionary, paths, files, settings)
    connection = connect(out, create=True)
    try:
        if is_new:
            with transaction(connection):
                write_metadata(connection, metadata)
        else:
            unfinished = with_fewer_tokens(read_metadata(connection, out), metadata)
            check_resumable(unfinished, metadata, out)
            metadata = unfinished
        if metadata.complete:
            return metadata
        layers = {
            layer: read_statistics(connection, metadata, layer).to(model.device)
            for layer, width in enumerate(metadata.widths)
            if width
        }
        state = _Pass(metadata, layers, metadata.batches, skipped=skipped)
        enough = 0 < metadata.wanted <= metadata.positions
        if not enough and not _read_texts(
            connection, out, model, dictionary, files, state, skip, on_progress, should_stop
        ):
            return state.metadata
        return _finish(connection, model, dictionary, state.metadata, on_progress, should_stop)
    except sqlite3.Error as error:
        sentence = database_sentence(f"The index {out}", error)
        raise ClewError(
            f"{sentence} All counts up to the last checkpoint are kept: add --resume to go on."
        ) from error
    finally:
        connection.close()


def _read_texts(
    connection: sqlite3.Connection,
    out: Path,
    model: LanguageModel,
    dictionary: Dictionary,
    files: Sequence[Path],
    state: _Pass,
    on_skip: OnSkip,
    on_progress: OnProgress,
    should_stop: Callable[[], bool],
) -> bool:
    """Read from the last checkpoint to the end of the texts; returns False where it was stopped before."""
    begun = state.metadata
    worker, workers = begun.shard
    first = 0 if begun.sink is None else 1
    saved, cost, read, n_batches = time.monotonic(), 0.0, 0, 0
    batches = cut_batches(
        model,
        read_pieces(files, on_skip),
        window=begun.window,
        batch=begun.batch,
        sink=begun.sink,
        wanted=begun.wanted,
    )
    for batch in batches:
        tokens = int(batch.lengths.sum()) - first * len(batch.lengths)
        read, n_batches = read + tokens, batch.number + 1
        if batch.number < begun.batches:
            check_same_texts(batch, begun)
            continue
        now = state.metadata
        if batch.number % workers == worker - 1:
            _count(model, dictionary, batch, state, first)
            now = replace(now, positions=now.positions + tokens)
        state.metadata = replace(now, batches=batch.number + 1, texts=batch.n_texts, digest=batch.digest)
        on_progress("reading", read, begun.wanted)
        stopped, waited = should_stop(), time.monotonic() - saved
        due = waited > max(SECONDS_BETWEEN_CHECKPOINTS, cost / SHARE_OF_CHECKPOINTS)
        if stopped or due or len(state.windows) >= WINDOWS_HELD:
            on_progress("saving", read, begun.wanted)
            begin = time.monotonic()
            _write_checkpoint(connection, out, state, model.token_text)
            saved, cost = time.monotonic(), time.monotonic() - begin
        if stopped:
            return False
    if n_batches < begun.batches:
        raise other_texts(begun)
    on_progress("saving", read, begun.wanted)
    _write_checkpoint(connection, out, state, model.token_text)
    return True


def _count(model: LanguageModel, dictionary: Dictionary, batch: Batch, state: _Pass, first: int) -> None:
    on_device = DeviceBatch.of(batch, first, model.device)
    read_activations(
        model,
        dictionary,
        on_device.token_ids,
        lambda layer, activation: state.layers[layer].add(on_device, activation),
    )
    for number, ids, length in zip(batch.window_ids.tolist(), batch.token_ids, batch.lengths, strict=True):
        state.windows[number] = ids[:length]


def _write_checkpoint(
    connection: sqlite3.Connection, out: Path, state: _Pass, text_of: Callable[[int], str]
) -> None:
    """Write the statistics and the place in the texts together, or neither.

    Raises `ClewError` where another pass has written to the same index meanwhile.
    """
    metadata = replace(state.metadata, skipped=dict(state.skipped))
    with transaction(connection), torch.no_grad():
        if read_metadata(connection, out).batches != state.written:
            raise ClewError(f"Another clew index is writing {out} too; let it finish.")
        for layer, statistics in state.layers.items():
            write_statistics(connection, statistics, layer, metadata.positions)
        write_windows(connection, state.windows)
        used = {token for ids in state.windows.values() for token in ids.tolist()}
        write_token_texts(connection, used, text_of)
        write_metadata(connection, metadata)
    for statistics in state.layers.values():
        statistics.changed.fill_(False)
    state.metadata, state.windows, state.written = metadata, {}, metadata.batches


def _finish(
    connection: sqlite3.Connection,
    model: LanguageModel,
    dictionary: Dictionary,
    metadata: IndexMetadata,
    on_progress: OnProgress,
    should_stop: Callable[[], bool],
) -> IndexMetadata:
    """Add output tokens, spellings and search to an index whose texts are all read.

    One of several shards adds the output tokens of its share of the layers. The index stays unfinished where
    `should_stop` returns True between layers.
    """
    worker, workers = metadata.shard
    for layer in range(metadata.n_layers):
        if layer % workers != worker - 1 or not metadata.widths[layer]:
            continue
        if should_stop():
            return metadata
        if not _has_outputs(connection, metadata, layer):
            _write_outputs(connection, model, dictionary, metadata, layer)
        on_progress("output tokens", layer + 1, metadata.n_layers)
    metadata = replace(metadata, complete=True)
    with transaction(connection):
        drop_unused_windows(connection)
        write_token_texts(connection, token_ids_used(connection), model.token_text)
        if workers == 1:
            build_text_search(connection)
        write_metadata(connection, metadata)
    return metadata


def _has_outputs(connection: sqlite3.Connection, metadata: IndexMetadata, layer: int) -> bool:
    first = metadata.offsets[layer]
    (missing,) = connection.execute(
        "SELECT count(*) FROM features WHERE id BETWEEN ? AND ? AND top_outputs IS NULL",
        (first, first + metadata.widths[layer] - 1),
    ).fetchone()
    return missing == 0


@torch.no_grad()
def _write_outputs(
    connection: sqlite3.Connection,
    model: LanguageModel,
    dictionary: Dictionary,
    metadata: IndexMetadata,
    layer: int,
) -> None:
    """Write the highest and the lowest output tokens of a layer's features."""
    rows = []
    for index in torch.arange(metadata.widths[layer], device=model.device).split(FEATURES_AT_ONCE):
        tokens, logits = extreme_tokens(model, _residual_write(model, dictionary, layer, index))
        half = tokens.shape[1] // 2
        for number, row, value in zip(
            index.tolist(), tokens.cpu().numpy(), logits.cpu().numpy(), strict=True
        ):
            top, bottom = pack_scored(row[:half], value[:half]), pack_scored(row[half:], value[half:])
            rows.append((top, bottom, metadata.offsets[layer] + number))
    with transaction(connection):
        connection.executemany("UPDATE features SET top_outputs = ?, bottom_outputs = ? WHERE id = ?", rows)


def _residual_write(
    model: LanguageModel, dictionary: Dictionary, layer: int, index: torch.Tensor
) -> torch.Tensor:
    """The sum over layers of what one unit of each feature adds to the stream, without the norms' scales."""
    spans = dictionary.decoder(layer, index)
    added = torch.zeros_like(spans[:, 0])
    for ahead in range(spans.shape[1]):
        direction, norm = spans[:, ahead], model.layers[layer + ahead].mlp_post_norm
        if norm is not None and dictionary.write_point is WritePoint.MLP_OUTPUT:
            direction = direction * norm.gain
        added += direction
    return added
