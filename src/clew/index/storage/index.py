"""An index of what features mean: opened in milliseconds, asked feature by feature.

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

from clew.errors import ClewError
from clew.index.storage.draw import draw_windows, most_frequent
from clew.index.storage.label import RANK, Label, check_label
from clew.index.storage.metadata import About, read_about
from clew.index.storage.record import FeatureRecord
from clew.index.storage.record_reader import read_feature
from clew.index.storage.schema import changing, connect
from clew.index.storage.search import Hit, relabel, search

AT_ONCE = 500
"""Features that one query asks for."""


def open_index(path: str | Path, *, writable: bool = False) -> Index:
    """Open an index, to read only unless `writable`; several processes may.

    Raises `ClewError` where there is none, or none that this clew can read.
    """
    file = Path(path).expanduser()
    connection = connect(file, writable=writable)
    try:
        return Index(file, connection, read_about(connection, file), writable=writable)
    except BaseException:
        connection.close()
        raise


class Index:
    """One open index; threads may share it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, about: About, *, writable: bool) -> None:
        self.path, self.about = path, about
        self._connection, self._writable = connection, writable
        self._lock = threading.RLock()
        self._token_texts: dict[int, str] = {}

    def __repr__(self) -> str:
        about = self.about
        state = "" if about.complete else ", unfinished"
        return (
            f"Index({about.model} · {about.dictionary}, {about.n_features:,} features, "
            f"{about.positions:,} positions{state})"
        )

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone; damage is told as `ClewError`."""
        with self._lock:
            try:
                yield self._connection
            except (sqlite3.Error, ValueError, LookupError) as error:
                raise ClewError(
                    f"{self.path} cannot be read, or is damaged ({error}): copy it again, or make it anew."
                ) from error

    def feature(self, layer: int, feature: int) -> FeatureRecord | None:
        """All that is known of one feature; None where there is no such feature, or nothing is known of it.

        Nothing is known of a feature that was not in the files of which an index was made; one that was
        looked at, but never active, has a record that says so.
        """
        number = self.about.feature_id(layer, feature)
        if number is None:
            return None
        with self._reading() as connection:
            label = self.labels([(layer, feature)]).get((layer, feature))
            return read_feature(connection, self.about, number, label, self._texts)

    def count_seen(self) -> int:
        """How many features were active anywhere."""
        with self._reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM features WHERE frequency > 0").fetchone()
        return count

    def count_labelled(self) -> int:
        """How many features have, or had, a label."""
        with self._reading() as connection:
            (count,) = connection.execute("SELECT count(DISTINCT feature) FROM labels").fetchone()
        return count

    def label(self, layer: int, feature: int) -> Label | None:
        """What a feature is called; a person's word goes before a model's, and that before a rule's."""
        return self.labels([(layer, feature)]).get((layer, feature))

    def labels(self, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Label]:
        """The labels of many features (layer, index) at once; those without one are left out."""
        found = {pair: self.about.feature_id(*pair) for pair in pairs}
        numbers = [number for number in found.values() if number is not None]
        best: dict[int, Label] = {}
        for begin in range(0, len(numbers), AT_ONCE):
            best |= self._best_labels(numbers[begin : begin + AT_ONCE])
        return {pair: best[number] for pair, number in found.items() if number in best}

    def _best_labels(self, numbers: list[int]) -> dict[int, Label]:
        marks = ",".join("?" * len(numbers))
        with self._reading() as connection:
            rows = connection.execute(
                f"""SELECT feature, text, source, author, confidence, created, detail FROM labels
                WHERE id IN (SELECT max(id) FROM labels WHERE feature IN ({marks}) GROUP BY feature, source)
                AND text != '' ORDER BY {RANK} DESC""",
                numbers,
            ).fetchall()
        return {row[0]: Label(*row[1:]) for row in rows}

    def label_history(self, layer: int, feature: int) -> list[Label]:
        """All that a feature was ever called, the newest first; an empty text took a label back."""
        number = self.about.feature_id(layer, feature)
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT text, source, author, confidence, created, detail FROM labels WHERE feature = ? "
                "ORDER BY id DESC",
                (number,),
            ).fetchall()
        return [Label(*row) for row in rows]

    def set_label(
        self,
        layer: int,
        feature: int,
        text: str,
        source: str = "person",
        *,
        author: str = "",
        confidence: float | None = None,
        detail: str | None = None,
    ) -> Label | None:
        """Call a feature something (an empty text takes back what this source said); returns what counts now.

        Raises `ClewError` for a feature that there is not, an unknown source, a text that is too long, and
        an index that was opened to read only.
        """
        place = layer, feature
        now = self.set_labels({place: text}, source, author=author, confidence=confidence, detail=detail)
        return now.get(place)

    def set_labels(
        self,
        texts: Mapping[tuple[int, int], str],
        source: str = "person",
        *,
        author: str = "",
        confidence: float | None = None,
        detail: str | None = None,
    ) -> dict[tuple[int, int], Label]:
        """`set_label` for many features at once, all of them or none; returns what counts now, by feature."""
        checked = {place: check_label(text, source, confidence) for place, text in texts.items()}
        numbers = {place: self._number(*place) for place in checked}
        if not self._writable:
            raise ClewError(f"{self.path} is open to read only; open it with writable=True to label.")
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            try:
                with changing(self._connection) as connection:
                    connection.executemany(
                        "INSERT INTO labels (feature, text, source, author, confidence, created, detail) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?)",
                        [
                            (numbers[place], text, source, author, confidence, created, detail)
                            for place, text in checked.items()
                        ],
                    )
                    now = self.labels(checked)
                    for place, number in numbers.items():
                        relabel(connection, number, now[place].text if place in now else "")
            except sqlite3.Error as error:
                raise ClewError(f"The label cannot be kept in {self.path} ({error}).") from error
        return now

    def _number(self, layer: int, feature: int) -> int:
        number = self.about.feature_id(layer, feature)
        if number is None:
            raise ClewError(f"There is no feature L{layer}/{feature} in {self.path}.")
        return number

    def search(
        self, query: str, limit: int = 20, *, among: Iterable[tuple[int, int]] | None = None
    ) -> list[Hit]:
        """Features whose label, output tokens, peak tokens or example texts hold all words of a query.

        Labels first; the last word may be the beginning of one. `among` names the only features (layer,
        index) that are wanted.
        """
        wanted = None if among is None else [self.about.feature_id(*pair) for pair in among]
        numbers = None if wanted is None else [number for number in wanted if number is not None]
        with self._reading() as connection:
            return search(connection, self.about, query, limit, self._texts, numbers)

    def most_frequent(self, count: int) -> list[tuple[int, int]]:
        """The features (layer, index) that are active most often; none that was never seen."""
        with self._reading() as connection:
            return most_frequent(connection, count)

    def draw_texts(self, count: int, seed: str) -> list[tuple[str, ...]]:
        """The tokens of at most so many windows, without the sink; the same ones for the same seed."""
        first = 0 if self.about.sink is None else 1
        with self._reading() as connection:
            windows = [ids[first:] for ids in draw_windows(connection, count, seed)]
            texts = self._texts([token for ids in windows for token in ids])
        return [tuple(texts[token] for token in ids) for ids in windows]

    def _texts(self, ids: Iterable[int]) -> dict[int, str]:
        """Spellings of tokens, asked for once."""
        known = self._token_texts
        missing = [number for number in set(ids) if number not in known]
        for begin in range(0, len(missing), AT_ONCE):
            some = missing[begin : begin + AT_ONCE]
            marks = ",".join("?" * len(some))
            known.update(self._connection.execute(f"SELECT id, text FROM tokens WHERE id IN ({marks})", some))
        for number in missing:
            known.setdefault(number, "")
        return known
