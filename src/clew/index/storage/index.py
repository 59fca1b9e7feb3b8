"""An index of what features fire on: opened in milliseconds, read feature by feature.

```python
with open_index("smollm2--neurons.sqlite3") as index:
    record = index.feature(12, 403)
    print(record, record.groups[0].examples[0].tokens)
```
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from clew.errors import ClewError
from clew.feature import Feature
from clew.files import as_path
from clew.index.storage.excerpts import Excerpt, read_excerpts
from clew.index.storage.labels import (
    Label,
    check_label,
    insert_labels,
    read_label_history,
    read_labels,
    update_label_search,
)
from clew.index.storage.metadata import IndexMetadata, read_metadata
from clew.index.storage.record import FeatureRecord
from clew.index.storage.record_reader import read_record
from clew.index.storage.schema import connect
from clew.index.storage.search import SearchHit, search
from clew.index.storage.texts import IDS_AT_ONCE, TokenTexts, draw_windows
from clew.sqlite import transaction
from clew.system_errors import database_reason, database_sentence

FeatureLike: TypeAlias = Feature | str | tuple[int, int]
"""A feature, or its layer and index."""


def open_index(path: str | Path, *, writable: bool = False) -> Index:
    """Open an index; several processes may do so at once.

    Args:
        path: The file of the index.
        writable: Allow new labels.

    Returns:
        The open index, which is a context manager that closes it.

    Raises:
        ClewError: There is no such file, or this clew cannot read it.
    """
    file = as_path(path)
    connection = connect(file, writable=writable)
    try:
        return Index(file, connection, read_metadata(connection, file), writable=writable)
    except BaseException:
        connection.close()
        raise


class Index:
    """One open index; threads may share it. `open_index` opens one."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, metadata: IndexMetadata, *, writable: bool
    ) -> None:
        self.path, self.metadata = path, metadata
        self._connection, self._writable = connection, writable
        self._lock = threading.RLock()
        self._texts = TokenTexts(connection)
        self._file = _file_id(path)

    def __repr__(self) -> str:
        metadata = self.metadata
        state = "" if metadata.complete else ", unfinished"
        return (
            f"Index({metadata.model} · {metadata.dictionary}, {metadata.n_features:,} features, "
            f"{metadata.positions:,} positions{state})"
        )

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The connection for this thread alone; damage becomes a `ClewError`."""
        with self._lock:
            try:
                yield self._connection
            except (sqlite3.Error, ValueError, LookupError) as error:
                if isinstance(error, sqlite3.Error) and database_reason(error)[1]:
                    raise ClewError(database_sentence(f"The index {self.path}", error)) from error
                raise ClewError(
                    f"{self.path} cannot be read or is damaged ({error}); copy it again, or make a new one."
                ) from error

    def __contains__(self, feature: FeatureLike) -> bool:
        """True where the dictionary has this feature, even if nothing is known about it."""
        return self.metadata.feature_id(_feature(feature)) is not None

    def feature(self, layer: int | FeatureLike, index: int | None = None) -> FeatureRecord | None:
        """Everything that is known about one feature.

        Args:
            layer: Layer of the feature, or the feature itself: `Feature` or `"L12/4031"`.
            index: Index in the layer, if `layer` is a number.

        Returns:
            The record; None for a feature that the dictionary, or a partial index, does not have. A feature
            that was never active has a record that says so.

        Raises:
            ClewError: The file is damaged.
        """
        feature = _feature(layer, index)
        number = self.metadata.feature_id(feature)
        if number is None:
            return None
        with self._reading() as connection:
            label = self.labels([feature]).get(feature)
            return read_record(connection, self.metadata, number, label, self._texts)

    def excerpts(self, sides: Mapping[Feature, bool | None]) -> dict[Feature, Excerpt]:
        """Short excerpts of many features at once, for names.

        Args:
            sides: Features; True for the side of negative activations, None for the stronger side.

        Returns:
            The excerpt of each feature that is known.

        Raises:
            ClewError: The file is damaged.
        """
        with self._reading() as connection:
            return read_excerpts(connection, self.metadata, sides, self._texts)

    def count_seen(self) -> int:
        """The number of features that were active anywhere."""
        with self._reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM features WHERE frequency > 0").fetchone()
        return count

    def count_labelled(self) -> int:
        """The number of features that have, or had, a label."""
        with self._reading() as connection:
            (count,) = connection.execute("SELECT count(DISTINCT feature) FROM labels").fetchone()
        return count

    def label(self, layer: int | FeatureLike, index: int | None = None) -> Label | None:
        """The label of a feature, named as in `feature`; None where it has none.

        A person's label goes before a language model's, and that before one made by rule.

        Args:
            layer: Layer of the feature, or the feature itself: `Feature` or `"L12/4031"`.
            index: Index in the layer, if `layer` is a number.
        """
        feature = _feature(layer, index)
        return self.labels([feature]).get(feature)

    def labels(self, features: Iterable[FeatureLike]) -> dict[Feature, Label]:
        """The labels of many features at once.

        Args:
            features: Features, or pairs of layer and index.

        Returns:
            The label of each feature that has one.

        Raises:
            ClewError: The file is damaged.
        """
        ids = {feature: self.metadata.feature_id(feature) for feature in map(_feature, features)}
        numbers = [number for number in ids.values() if number is not None]
        labels: dict[int, Label] = {}
        with self._reading() as connection:
            for begin in range(0, len(numbers), IDS_AT_ONCE):
                labels |= read_labels(connection, numbers[begin : begin + IDS_AT_ONCE])
        return {feature: labels[number] for feature, number in ids.items() if number in labels}

    def label_history(self, layer: int | FeatureLike, index: int | None = None) -> list[Label]:
        """All labels that a feature (named as in `feature`) ever had, the newest first.

        An empty text took a label back.

        Args:
            layer: Layer of the feature, or the feature itself: `Feature` or `"L12/4031"`.
            index: Index in the layer, if `layer` is a number.
        """
        number = self.metadata.feature_id(_feature(layer, index))
        with self._reading() as connection:
            return read_label_history(connection, number)

    def set_label(
        self,
        layer: int,
        index: int,
        text: str,
        source: str = "person",
        *,
        author: str = "",
        confidence: float | None = None,
        detail: str | None = None,
    ) -> Label | None:
        """Label one feature; see `set_labels`.

        Args:
            layer: The feature's layer.
            index: The feature's number in its layer.
            text: The label; an empty text takes back the label of this source.
            source: `"person"`, `"model"` or `"tokens"`.
            author: The person, the model, or the name of the rules.
            confidence: How well the label was tested, 0 to 1; None where it was not.
            detail: JSON that says how the label was made.

        Returns:
            The label that the feature has now: that of another source may go before the new one.

        Raises:
            ClewError: There is no such feature, the label or the source is not allowed, or the index was not
                opened with `writable=True`.
        """
        feature = Feature(layer, index)
        now = self.set_labels({feature: text}, source, author=author, confidence=confidence, detail=detail)
        return now.get(feature)

    def set_labels(
        self,
        texts: Mapping[Feature, str] | Mapping[tuple[int, int], str],
        source: str = "person",
        *,
        author: str = "",
        confidence: float | None = None,
        detail: str | None = None,
    ) -> dict[Feature, Label]:
        """Label many features at once, all of them or none.

        Args:
            texts: The label of each feature; an empty text takes back the label of this source.
            source: `"person"`, `"model"` or `"tokens"`.
            author: The person, the model, or the name of the rules.
            confidence: How well the labels were tested, 0 to 1; None where they were not.
            detail: JSON that says how the labels were made.

        Returns:
            The labels that these features have now.

        Raises:
            ClewError: As `set_label` does; then no label is changed.
        """
        checked = {
            _feature(feature): check_label(text, source, confidence) for feature, text in texts.items()
        }
        ids = {feature: self._existing_id(feature) for feature in checked}
        if not self._writable:
            raise ClewError(f"{self.path} is open to read only; open it with writable=True to set labels.")
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        rows = [
            (ids[feature], text, source, author, confidence, created, detail)
            for feature, text in checked.items()
        ]
        with self._lock:
            try:
                with transaction(self._connection) as connection:
                    if _file_id(self.path) != self._file:  # within the lock, as replacing an index is
                        raise ClewError(f"{self.path} was replaced by another index; open it again.")
                    insert_labels(connection, rows)
                    now = self.labels(checked)
                    for feature, number in ids.items():
                        update_label_search(connection, number, now[feature].text if feature in now else "")
            except sqlite3.Error as error:
                raise ClewError(database_sentence(f"The index {self.path}", error)) from error
        return now

    def _existing_id(self, feature: Feature) -> int:
        number = self.metadata.feature_id(feature)
        if number is None:
            raise ClewError(f"{self.path} has no feature {feature}.")
        return number

    def search(
        self, query: str, limit: int = 20, *, among: Iterable[FeatureLike] | None = None
    ) -> list[SearchHit]:
        """Features whose label, output tokens, peak tokens or example texts have all words of a query.

        Args:
            query: Words; the last one may be the beginning of a word.
            limit: At most so many features.
            among: Search only these features.

        Returns:
            The features with a text that matches; matching labels come first.

        Raises:
            ClewError: The file is damaged.
        """
        wanted = None if among is None else [self.metadata.feature_id(_feature(each)) for each in among]
        numbers = None if wanted is None else [number for number in wanted if number is not None]
        with self._reading() as connection:
            return search(connection, self.metadata, query, limit, self._texts, numbers)

    def most_frequent(self, count: int) -> list[Feature]:
        """The features that are active most often; none that was never active.

        Args:
            count: At most this many.
        """
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT layer, feature FROM features WHERE frequency > 0 "
                "ORDER BY frequency DESC, max(abs(minimum), abs(maximum)) DESC, id LIMIT ?",
                (count,),
            ).fetchall()
        return [Feature(*row) for row in rows]

    def draw_texts(self, count: int, seed: str) -> list[tuple[str, ...]]:
        """The tokens of windows drawn at random, without the sink.

        Args:
            count: At most this many windows.
            seed: Any text; the same one draws the same windows.
        """
        first = 0 if self.metadata.sink is None else 1
        with self._reading() as connection:
            return [tuple(self._texts(ids[first:])) for ids in draw_windows(connection, count, seed)]


def _file_id(path: Path) -> tuple[int, int] | None:
    """Device and inode, which differ for a file that took another's place; None where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _feature(layer: int | FeatureLike, index: int | None = None) -> Feature:
    """The feature that a caller named in one of four ways."""
    if isinstance(layer, Feature):
        return layer
    if isinstance(layer, str):
        return Feature.parse(layer)
    if isinstance(layer, tuple):
        return Feature(*layer)
    if index is None:
        raise TypeError("a layer needs the index of a feature, as in index.feature(24, 1005)")
    return Feature(layer, index)
