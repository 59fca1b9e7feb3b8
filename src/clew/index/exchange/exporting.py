"""Export of an index as details of features that other tools read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from clew.feature import Feature
from clew.index.exchange.feature_file import FeatureFile, details_from_json
from clew.index.exchange.folder import write_details
from clew.index.storage.index import Index


def export_index(
    index: Index,
    folder: str | Path,
    form: str,
    on_progress: Callable[[int, int], None] = lambda *_: None,
    *,
    features: Iterable[Feature] | None = None,
    examples: int | None = None,
) -> int:
    """Write features with their labels, by default all that were ever active; returns how many.

    `form` is `json` or `packed`. `on_progress` gets the features done and their number. At most `examples` of
    each kind are written. Features that the index does not have are left out. Raises `ClewError` as
    `write_details` does.
    """
    return write_details(details_of(index, on_progress, features=features, examples=examples), folder, form)


def details_of(
    index: Index,
    on_progress: Callable[[int, int], None] = lambda *_: None,
    *,
    features: Iterable[Feature] | None = None,
    examples: int | None = None,
) -> Iterator[FeatureFile]:
    """The details of features in order; by default of all that were ever active."""
    metadata = index.metadata
    wanted = None if features is None else sorted(set(features))
    total = metadata.n_features if wanted is None else len(wanted)
    every = (Feature(layer, at) for layer, width in enumerate(metadata.widths) for at in range(width))
    for done, feature in enumerate(every if wanted is None else wanted, start=1):
        record = index.feature(feature)
        if record is not None and (wanted is not None or not record.never_seen):
            groups = tuple(replace(group, examples=group.examples[:examples]) for group in record.groups)
            data = replace(record, groups=groups if examples != 0 else ()).as_json()
            model = {"model": metadata.model} if metadata.model else {}
            yield replace(details_from_json(data | model, feature), transcoder=metadata.dictionary)
        on_progress(done, total)
