"""The plan of a pass over texts: the metadata of its index, and checks that an unfinished index fits it."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clew.dictionary.protocols import Dictionary
from clew.errors import ClewError
from clew.index.creation.corpus import read_pieces
from clew.index.creation.windows import Batch, is_two_sided
from clew.index.settings import IndexSettings
from clew.index.storage.metadata import IndexMetadata, check_weights, sink_named
from clew.model.language_model import LanguageModel
from clew.model.prompt import usual_sink
from clew.model.sink import SinkWarning
from clew.options import check_options
from clew.version import __version__

WINDOWS_AT_ONCE = 16
ACTIVATIONS_AT_ONCE = 2**24
"""Numbers of one layer in memory together; wider dictionaries read fewer windows at once."""

MUST_AGREE = {
    "model": "model",
    "dictionary": "dictionary",
    "widths": "number of features",
    "tokenizer": "tokenizer",
    "window": "window",
    "wanted": "number of tokens",
    "shard": "shard",
    "batch": "batch",
}
"""Metadata of an unfinished index that must be the same to resume it, with names for people."""


def plan_index(
    model: LanguageModel,
    dictionary: Dictionary,
    paths: Sequence[str | Path],
    files: Sequence[Path],
    settings: IndexSettings,
) -> IndexMetadata:
    """The metadata of an index before anything is read; raises `ClewError` for options that cannot be."""
    check_options(settings)
    window = min(settings.window, model.context_length)
    worker, workers = settings.shard
    if not 1 <= worker <= workers:
        raise ClewError(f"There is no shard {worker} of {workers}; give --shard 1/{workers} and so on.")
    reasons: list[str] = []
    if next(read_pieces(files, lambda reason, path: reasons.append(reason)), None) is None:
        why = f" ({', '.join(dict.fromkeys(reasons))})" if reasons else ""
        raise ClewError(f"{', '.join(map(str, paths))} holds no text that clew can read{why}.")
    sink = usual_sink(model, dictionary.sink)
    return IndexMetadata(
        model=model.name,
        dictionary=dictionary.name,
        widths=tuple(dictionary.n_features),
        tokenizer=_digest(sorted(model.tokenizer.get_vocab().items(), key=lambda entry: entry[1])),
        window=window,
        sink=None if sink is None else sink.token_id,
        sink_text="" if sink is None else sink.text,
        sink_mean_kl=None if sink is None else sink.mean_kl,
        two_sided=is_two_sided(dictionary),
        wanted=settings.tokens,
        shard=(worker, workers),
        batch=max(1, min(WINDOWS_AT_ONCE, ACTIVATIONS_AT_ONCE // (window * max(dictionary.n_features)))),
        files=_digest([(path.name, path.stat().st_size) for path in files]),
        corpus=tuple(str(path) for path in paths),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        generator=f"clew {__version__}",
        weights=model.weights_key,
        dictionary_weights=dictionary.weights_key,
    )


def with_fewer_tokens(unfinished: IndexMetadata, planned: IndexMetadata) -> IndexMetadata:
    """An unfinished index that ends earlier than it was begun for, where the plan says so.

    What is read already stays. Shards keep to their number of tokens, because all of them share it.
    """
    fewer = planned.wanted > 0 and (unfinished.wanted == 0 or planned.wanted < unfinished.wanted)
    if not fewer or unfinished.shard != (1, 1):
        return unfinished
    return replace(unfinished, wanted=planned.wanted)


def check_resumable(unfinished: IndexMetadata, planned: IndexMetadata, out: Path) -> None:
    """Raise `ClewError` where an unfinished index was begun with other settings or other texts."""
    if unfinished.partial:
        raise ClewError(f"{out} holds only some of the features; add --replace to make a whole one.")
    check_weights(unfinished, vars(planned), out)
    for name, words in MUST_AGREE.items():
        before, now = getattr(unfinished, name), getattr(planned, name)
        if before != now:
            raise ClewError(
                f"{out} was begun with another {words} ({before}, now {now}); use the same one again, or "
                "name another index with --out."
            )
    if unfinished.files != planned.files:
        raise other_texts(unfinished)
    if unfinished.sink != planned.sink:
        warnings.warn(
            f"{out} was begun behind {sink_named(unfinished)}, but texts of {planned.model} are now read "
            f"behind {sink_named(planned)}; it goes on behind its own (--replace makes it anew).",
            SinkWarning,
            stacklevel=3,
        )


def check_same_texts(batch: Batch, begun: IndexMetadata) -> None:
    """Raise `ClewError` where the texts up to the last checkpoint are not those of the first run."""
    if batch.number == begun.batches - 1 and batch.digest != begun.digest:
        raise other_texts(begun)


def other_texts(begun: IndexMetadata) -> ClewError:
    return ClewError(
        f"The texts in {', '.join(begun.corpus)} have changed since the index was begun; name the same texts "
        "with --data, or another index with --out."
    )


def _digest(facts: Any) -> str:
    """Twelve hex digits that other facts hardly ever share."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
