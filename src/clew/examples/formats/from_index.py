"""From an index to details of features that other tools read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from clew.examples.formats.details import FeatureDetails, details_from_json
from clew.examples.formats.files import write_details
from clew.examples.index import Index


def export_index(
    index: Index, folder: str | Path, form: str, on_progress: Callable[[int, int], None] = lambda *_: None
) -> int:
    """Write all features that were ever seen, labels included; returns how many.

    `form` is `json` or `packed`; `on_progress` gets features done and all there are. Raises `ClewError` as
    `write_details` does.
    """
    return write_details(details_of(index, on_progress), folder, form)


def details_of(
    index: Index, on_progress: Callable[[int, int], None] = lambda *_: None
) -> Iterator[FeatureDetails]:
    """Feature by feature, in order; those never seen are left out."""
    done = 0
    for layer, width in enumerate(index.about.widths):
        for feature in range(width):
            record = index.feature(layer, feature)
            if record is not None and not record.never_seen:
                details = details_from_json(record.as_json(), layer, feature)
                yield replace(details, transcoder=index.about.dictionary)
            done += 1
            on_progress(done, index.about.n_features)
