"""One pass over texts that finds out on what every feature fires."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from clew.dictionary.protocols import Dictionary
from clew.errors import ClewError
from clew.index.creation.activations import is_two_sided, read_activations
from clew.index.creation.checkpoints import read_tally, write_tally, write_windows
from clew.index.creation.corpus import OnSkip, find_files, read_pieces
from clew.index.creation.finishing import finish, spell
from clew.index.creation.side import Seen
from clew.index.creation.statistics import Tally
from clew.index.creation.windows import Batch, choose_sink, cut_batches
from clew.index.settings import IndexSettings
from clew.index.storage.locations import check_place
from clew.index.storage.metadata import About, read_about, write_about
from clew.index.storage.schema import changing, connect
from clew.model.language_model import LanguageModel
from clew.options import check_options
from clew.progress import OnProgress, ignore_progress
from clew.version import __version__

WINDOWS_AT_ONCE = 16
ACTIVATIONS_AT_ONCE = 2**24
"""Numbers of one layer in memory together; wider dictionaries read fewer windows at once."""
SECONDS_BETWEEN_CHECKPOINTS = 120.0
SHARE_OF_CHECKPOINTS = 0.02
"""Of the time, at most."""
WINDOWS_HELD = 2**17
"""Between checkpoints; 64 MB of tokens."""


@dataclass
class _Pass:
    """The state of a running pass: tallies, and what the next checkpoint writes besides."""

    about: About
    tallies: dict[int, Tally]
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
) -> About:
    """Read texts once and write the index of a model's features to `out`; returns its facts.

    Checkpoints hold the counts and the place in the texts in one transaction, so after any interruption
    `settings.resume` goes on with nothing counted twice. `should_stop` is asked between batches; then a
    checkpoint is written and an unfinished index left. Raises `ClewError` for texts that are not there, an
    index that is there already or does not go with these settings, and a disk that is full.
    """
    files = find_files(paths)
    check_place(out, resume=settings.resume)
    fresh = not out.exists()
    skipped: Counter[str] = Counter()

    def skip(reason: str, path: Path) -> None:
        skipped[reason] += 1
        on_skip(reason, path)

    about = _planned(model, dictionary, paths, files, settings)
    connection = connect(out, create=True)
    try:
        if fresh:
            with changing(connection):
                write_about(connection, about)
        else:
            about = _resumed(read_about(connection, out), about, out)
        if about.complete:
            return about
        tallies = {
            layer: read_tally(connection, about, layer).to(model.device)
            for layer, width in enumerate(about.widths)
            if width
        }
        state = _Pass(about, tallies, skipped=skipped)
        if _read_all(connection, model, dictionary, files, state, skip, on_progress, should_stop):
            state.about = finish(connection, model, dictionary, state.about, on_progress, should_stop)
        return state.about
    except sqlite3.Error as error:
        raise _explained(error, out, fresh) from error
    finally:
        connection.close()


def _planned(
    model: LanguageModel,
    dictionary: Dictionary,
    paths: Sequence[str | Path],
    files: Sequence[Path],
    settings: IndexSettings,
) -> About:
    """The facts of an index before anything is read."""
    check_options(settings)
    window = min(settings.window, model.context_length)
    worker, workers = settings.shard
    if not 1 <= worker <= workers:
        raise ClewError(f"There is no shard {worker} of {workers}; give --shard 1/{workers} and so on.")
    reasons: list[str] = []
    if next(read_pieces(files, lambda reason, path: reasons.append(reason)), None) is None:
        why = f" ({', '.join(dict.fromkeys(reasons))})" if reasons else ""
        raise ClewError(f"There is no text in {', '.join(map(str, paths))} that can be read{why}.")
    widest = max(dictionary.n_features)
    sink = choose_sink(model, read_pieces(files, lambda reason, path: None))
    return About(
        model=model.name,
        dictionary=dictionary.name,
        widths=tuple(dictionary.n_features),
        tokenizer=_fingerprint(model),
        window=window,
        sink=sink,
        two_sided=is_two_sided(dictionary),
        wanted=settings.tokens,
        shard=(worker, workers),
        batch=max(1, min(WINDOWS_AT_ONCE, ACTIVATIONS_AT_ONCE // (window * widest))),
        files=_files_mark(files),
        corpus=tuple(str(path) for path in paths),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        generator=f"clew {__version__}",
    )


def _files_mark(files: Sequence[Path]) -> str:
    """Twelve hex digits of names and sizes, which other texts hardly share."""
    listed = [(path.name, path.stat().st_size) for path in files]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:12]


def _fingerprint(model: LanguageModel) -> str:
    """Twelve hex digits of the vocabulary."""
    vocabulary = sorted(model.tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    return hashlib.sha256(json.dumps(vocabulary).encode()).hexdigest()[:12]


def _resumed(found: About, planned: About, out: Path) -> About:
    """The facts of an unfinished index; raises `ClewError` where other settings would go on with it."""
    if found.partial:
        raise ClewError(f"{out} holds some of the features only; --replace puts a whole one in its place.")
    names = {
        "model": "model",
        "dictionary": "dictionary",
        "widths": "number of features",
        "tokenizer": "tokenizer",
        "window": "window",
        "wanted": "number of tokens",
        "shard": "shard",
        "batch": "batch",
    }
    for name, words in names.items():
        was, is_now = getattr(found, name), getattr(planned, name)
        if was != is_now:
            raise ClewError(
                f"{out} was begun with another {words} ({was}, now {is_now}); go on with the same, or name "
                "another index with --out."
            )
    if found.files != planned.files:
        raise ClewError(_other_texts(found))
    return found


def _read_all(
    connection: sqlite3.Connection,
    model: LanguageModel,
    dictionary: Dictionary,
    files: Sequence[Path],
    state: _Pass,
    on_skip: OnSkip,
    on_progress: OnProgress,
    should_stop: Callable[[], bool],
) -> bool:
    """From where the index stands to the end of the texts; False where it was stopped before."""
    begun = state.about
    worker, workers = begun.shard
    first = 0 if begun.sink is None else 1
    saved, cost, read, n_batches = time.monotonic(), 0.0, 0, 0
    for batch in _batches(model, files, begun, on_skip):
        tokens = int(batch.lengths.sum()) - first * len(batch.lengths)
        read, n_batches = read + tokens, batch.number + 1
        if batch.number < begun.batches:
            _check_place(batch, begun)
            continue
        if batch.number % workers == worker - 1:
            _count(model, dictionary, batch, state, first)
            state.about = replace(state.about, positions=state.about.positions + tokens)
        state.about = replace(state.about, batches=batch.number + 1, texts=batch.n_texts, digest=batch.digest)
        on_progress("reading", read, begun.wanted)
        stopped, waited = should_stop(), time.monotonic() - saved
        due = waited > max(SECONDS_BETWEEN_CHECKPOINTS, cost / SHARE_OF_CHECKPOINTS)
        if stopped or due or len(state.windows) >= WINDOWS_HELD:
            on_progress("saving", read, begun.wanted)
            begin = time.monotonic()
            _checkpoint(connection, state, model.token_text)
            saved, cost = time.monotonic(), time.monotonic() - begin
        if stopped:
            return False
    if n_batches < begun.batches:
        raise ClewError(_other_texts(begun))
    on_progress("saving", read, begun.wanted)
    _checkpoint(connection, state, model.token_text)
    return True


def _batches(model: LanguageModel, files: Sequence[Path], about: About, on_skip: OnSkip) -> Iterator[Batch]:
    return cut_batches(
        model,
        read_pieces(files, on_skip),
        window=about.window,
        batch=about.batch,
        sink=about.sink,
        wanted=about.wanted,
    )


def _check_place(batch: Batch, begun: About) -> None:
    if batch.number == begun.batches - 1 and batch.digest != begun.digest:
        raise ClewError(_other_texts(begun))


def _other_texts(begun: About) -> str:
    return (
        f"The texts in {', '.join(begun.corpus)} are not those that the index was begun with; name the same "
        "with --data, or another index with --out."
    )


def _count(model: LanguageModel, dictionary: Dictionary, batch: Batch, state: _Pass, first: int) -> None:
    seen = Seen.of(batch, first, model.device)
    read_activations(
        model,
        dictionary,
        seen.token_ids,
        lambda layer, activation: state.tallies[layer].add(seen, activation),
    )
    for number, ids, length in zip(batch.window_ids.tolist(), batch.token_ids, batch.lengths, strict=True):
        state.windows[number] = ids[:length]


def _checkpoint(connection: sqlite3.Connection, state: _Pass, text_of: Callable[[int], str]) -> None:
    """All counts and the place that they stand for: on the disk together, or not at all."""
    about = replace(state.about, skipped=dict(state.skipped))
    with changing(connection), torch.no_grad():
        for layer, tally in state.tallies.items():
            write_tally(connection, tally, layer, about.positions)
        write_windows(connection, state.windows)
        spell(connection, {token for ids in state.windows.values() for token in ids.tolist()}, text_of)
        write_about(connection, about)
    for tally in state.tallies.values():
        tally.changed.fill_(False)
    state.about, state.windows = about, {}


def _explained(error: sqlite3.Error, out: Path, fresh: bool) -> ClewError:
    kept = "what was counted up to the last checkpoint is kept: free some space and add --resume"
    return ClewError(f"{out} cannot be written ({error}); {kept}.")
