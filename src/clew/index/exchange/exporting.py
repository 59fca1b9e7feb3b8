"""From an index to details of features that other tools read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from clew.index.exchange.feature_file import FeatureDetails, details_from_json
from clew.index.exchange.folder import write_details
from clew.index.storage.index import Index
from clew.index.storage.record import FeatureRecord

OnProgress = Callable[[int, int], None]


def export_index(
    index: Index,
    folder: str | Path,
    form: str,
    on_progress: OnProgress = lambda *_: None,
    *,
    features: Iterable[tuple[int, int]] | None = None,
    examples: int | None = None,
) -> int:
    """Write all features that were ever seen, or those named, labels included; returns how many.

    `form` is `json` or `packed`; `on_progress` gets features done and all there are; `features` are (layer,
    index), and of those that the index knows nothing of there is no file; `examples` bounds those of each
    kind. Raises `ClewError` as `write_details` does.
    """
    return write_details(details_of(index, on_progress, features=features, examples=examples), folder, form)


def details_of(
    index: Index,
    on_progress: OnProgress = lambda *_: None,
    *,
    features: Iterable[tuple[int, int]] | None = None,
    examples: int | None = None,
) -> Iterator[FeatureDetails]:
    """Feature by feature, in order; those never seen are left out, unless they were named."""
    about = index.about
    wanted = _all(about.widths) if features is None else sorted(set(features))
    total = about.n_features if features is None else len(set(wanted))
    for done, (layer, feature) in enumerate(wanted, start=1):
        record = index.feature(layer, feature)
        if record is not None and (features is not None or not record.never_seen):
            yield _details(record, about.model, about.dictionary, examples)
        on_progress(done, total)


def _all(widths: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return ((layer, feature) for layer, width in enumerate(widths) for feature in range(width))


def _details(record: FeatureRecord, model: str, dictionary: str, examples: int | None) -> FeatureDetails:
    groups = tuple(replace(group, examples=group.examples[:examples]) for group in record.groups)
    told = replace(record, groups=groups if examples != 0 else ()).as_json()
    details = details_from_json(told | ({"model": model} if model else {}), record.layer, record.feature)
    return replace(details, transcoder=dictionary)
