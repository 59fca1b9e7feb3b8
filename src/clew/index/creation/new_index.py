"""An index of texts in its place: a new one, an unfinished one continued, or one that replaces another."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from clew.dictionary.protocols import Dictionary
from clew.errors import ClewError
from clew.files import named_path, put_in_place
from clew.index.creation.corpus import OnSkip
from clew.index.creation.indexing import index_texts
from clew.index.settings import IndexSettings
from clew.index.storage.labels import LABEL_COLUMNS, build_label_search, insert_labels
from clew.index.storage.locations import default_location
from clew.index.storage.metadata import IndexMetadata, check_weights, read_metadata
from clew.index.storage.schema import connect
from clew.model.language_model import LanguageModel
from clew.progress import OnProgress, ignore_progress
from clew.sqlite import transaction
from clew.system_errors import database_reason


@dataclass(frozen=True)
class NewIndex:
    """An index after a run."""

    path: Path
    metadata: IndexMetadata
    labels: int = 0
    """Labels that it took over from the index that it replaced."""
    read: bool = True
    """False where the index was complete already, so that nothing was read."""


def make_index(
    model: LanguageModel,
    dictionary: Dictionary,
    data: Sequence[str | Path],
    settings: IndexSettings,
    *,
    on_progress: OnProgress = ignore_progress,
    on_skip: OnSkip = lambda reason, path: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> NewIndex:
    """Index texts as `index_texts` does, at `settings.out` or in the usual place.

    With `settings.replace` an old index stays until the new one is complete, which then takes its place and
    its labels. A copy of the small index that comes with clew is always replaced. Raises `ClewError` as
    `index_texts` does, and where the old index is of another model or dictionary.
    """
    usual = _usual_location(model, dictionary, settings.shard)
    final = usual if settings.out is None else named_path(settings.out)
    old = None
    if final.is_file():
        with closing(connect(final)) as connection:
            old = read_metadata(connection, final)
    if old and settings.resume and not settings.replace:
        keys = {"weights": model.weights_key, "dictionary_weights": dictionary.weights_key}
        check_weights(old, keys, final)
    if old and old.complete and not old.partial and settings.resume and not settings.replace:
        return NewIndex(final, old, read=False)
    replaces = old is not None and (settings.replace or old.bundled)
    path = final.with_name(f"{final.stem}.new{final.suffix}") if replaces else final
    if old and replaces:
        if (old.model, old.dictionary) != (model.name, dictionary.name):
            raise ClewError(
                f"{final} is an index of {old.model or 'an unknown model'} with "
                f"{old.dictionary or 'unknown features'}, so the new index cannot take its labels; name "
                "another file with --out."
            )
        if path.exists() and not settings.resume:
            raise ClewError(f"{path} is left from a run that was stopped; add --resume, or remove it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = index_texts(
        model,
        dictionary,
        data,
        path,
        settings,
        on_progress=on_progress,
        on_skip=on_skip,
        should_stop=should_stop,
    )
    if path == final or not metadata.complete:
        return NewIndex(path, metadata)
    return NewIndex(final, metadata, replace_index(final, path))


def replace_index(old: Path, new: Path) -> int:
    """Put a complete index in place of an old one; returns how many labels it took over, with their history.

    Labels made by rule are dropped, since they are about the old texts. Raises `ClewError` where a label is
    of a feature that the new index does not have, or an index cannot be read; then both stay.
    """
    try:
        with (
            closing(connect(old, writable=True)) as source,
            closing(connect(new, writable=True)) as connection,
            transaction(source),  # no label is set in the old index from here until the new one is in place
        ):
            before, now = read_metadata(source, old), read_metadata(connection, new)
            rows = []
            for number, *values in source.execute(
                f"SELECT feature, {LABEL_COLUMNS} FROM labels WHERE source != 'tokens' ORDER BY id"
            ):
                feature = before.feature_of(number)
                if (new_number := now.feature_id(feature)) is None:
                    raise ClewError(
                        f"{old} has a label of {feature}, which the new index {new} does not have; both "
                        "stay where they are."
                    )
                rows.append((new_number, *values))
            with transaction(connection):
                insert_labels(connection, rows)
                build_label_search(connection)
            put_in_place(new, old)
    except (OSError, sqlite3.Error) as error:
        reason = database_reason(error)[0] if isinstance(error, sqlite3.Error) else error.strerror
        raise ClewError(f"{old} cannot be replaced ({reason}); the new index is {new}.") from error
    return len(rows)


def _usual_location(model: LanguageModel, dictionary: Dictionary, shard: tuple[int, int]) -> Path:
    location = default_location(model.name, dictionary.name)
    return location if shard == (1, 1) else location.with_suffix(f".{shard[0]}-of-{shard[1]}.sqlite3")
