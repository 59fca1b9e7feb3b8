"""Labels of features, the table that keeps all of them, and the search over them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from clew.errors import ClewError
from clew.utf8 import check_text

SOURCES = ("person", "model", "tokens")
"""Sources of labels. An earlier source wins over a later one, even if the later label is newer."""
RANK = (
    f"CASE source {' '.join(f'WHEN {name!r} THEN {rank}' for rank, name in enumerate(SOURCES))} ELSE 99 END"
)
"""The place of a row's source in `SOURCES`, in SQL."""
LONGEST_LABEL = 500
"""Characters of a label."""
LABEL_COLUMNS = "text, source, author, confidence, created, detail"


@dataclass(frozen=True)
class Label:
    """A feature's label."""

    text: str
    source: str
    """`"person"`, `"model"` (by a language model) or `"tokens"` (made of tokens, by rule)."""
    author: str
    """The person, the model's name, or the name of the rules."""
    confidence: float | None
    """Share of texts that the label picked rightly in a test, 0 to 1; None where it was not tested."""
    created: str
    """ISO 8601, UTC."""
    detail: str | None = None
    """JSON: how it was made."""

    def __str__(self) -> str:
        sure = "" if self.confidence is None else f", {self.confidence:.0%} sure"
        return f"{self.text} ({self.source}{f' {self.author}' if self.author else ''}{sure})"


def check_label(text: str, source: str, confidence: float | None) -> str:
    """The text with single spaces; raises `ClewError` for what cannot be a label."""
    if source not in SOURCES:
        raise ClewError(f"A label's source is {', '.join(SOURCES[:-1])} or {SOURCES[-1]}, not {source!r}.")
    if len(text) > LONGEST_LABEL:
        raise ClewError(f"A label has at most {LONGEST_LABEL} characters, not {len(text):,}.")
    if confidence is not None and not 0 <= confidence <= 1:
        raise ClewError(f"A label's confidence is from 0 to 1, not {confidence}.")
    return " ".join(check_text(text, "A label").split())


def read_labels(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Label]:
    """The label of each feature that has one, by feature id."""
    marks = ",".join("?" * len(ids))
    rows = connection.execute(
        f"""SELECT feature, {LABEL_COLUMNS} FROM labels
        WHERE id IN (SELECT max(id) FROM labels WHERE feature IN ({marks}) GROUP BY feature, source)
        AND text != '' ORDER BY {RANK} DESC""",
        ids,
    ).fetchall()
    return {row[0]: Label(*row[1:]) for row in rows}


def read_label_history(connection: sqlite3.Connection, feature_id: int | None) -> list[Label]:
    """All labels that a feature ever had, the newest first; an empty text took a label back."""
    rows = connection.execute(
        f"SELECT {LABEL_COLUMNS} FROM labels WHERE feature = ? ORDER BY id DESC", (feature_id,)
    )
    return [Label(*row) for row in rows.fetchall()]


def insert_labels(connection: sqlite3.Connection, rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of a feature's id and `LABEL_COLUMNS`; within the caller's transaction."""
    connection.executemany(
        f"INSERT INTO labels (feature, {LABEL_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
    )


def update_label_search(connection: sqlite3.Connection, feature_id: int, text: str) -> None:
    """Make a feature's new label searchable; within the caller's transaction."""
    connection.execute("DELETE FROM label_search WHERE rowid = ?", (feature_id,))
    if text:
        connection.execute("INSERT INTO label_search (rowid, label) VALUES (?, ?)", (feature_id, text))


def build_label_search(connection: sqlite3.Connection) -> None:
    """Make all labels searchable anew; within the caller's transaction."""
    connection.execute("DELETE FROM label_search")
    labels = connection.execute(
        "SELECT feature, text FROM labels "
        "WHERE id IN (SELECT max(id) FROM labels GROUP BY feature, source) AND text != '' "
        f"ORDER BY {RANK} DESC"
    )
    connection.executemany(
        "INSERT INTO label_search (rowid, label) VALUES (?, ?)", dict(labels.fetchall()).items()
    )
