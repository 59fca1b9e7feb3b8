"""Import of details of features as an index, as if clew had read the texts itself."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from clew.files import named_path
from clew.index.exchange.extra_fields import (
    distribution_of,
    frequent_tokens,
    kinds_of,
    label_of,
    mean_of,
    model_of,
    outputs,
    positions_of,
    strongest_tokens,
)
from clew.index.exchange.feature_file import FeatureFile, FileExample, Quantile
from clew.index.exchange.folder import read_details, widths_of
from clew.index.storage.blobs import pack_activations, pack_sample, pack_scored, pack_tokens, steps_of
from clew.index.storage.labels import insert_labels, update_label_search
from clew.index.storage.metadata import IndexMetadata, write_metadata
from clew.index.storage.record import BOTTOM
from clew.index.storage.schema import new_database
from clew.index.storage.search import build_text_search
from clew.sqlite import transaction
from clew.version import __version__

UNKNOWN_FREQUENCY = 1e-9
"""Frequency of a feature that was active, where the file does not give it."""


def import_details(
    source: str | Path,
    out: str | Path,
    model: str = "",
    dictionary: str = "",
    on_progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Make a new index of details in either form; returns the number of features.

    `model` and `dictionary` are by default those that the files name. `on_progress` gets the number of
    features read. The index appears when all is read. Raises `ClewError` where `out` exists already, and as
    `read_details` does for damaged details.
    """
    widths, details = widths_of(source), read_details(source)
    with new_database(named_path(out)) as connection:
        rows = _Rows(connection, widths, on_progress)
        with transaction(connection):
            rows.write(details)
            rows.finish(model, dictionary, str(source))
    return rows.count


class _Rows:
    """Writes the rows of a new index, within one transaction.

    It holds the text of each token in memory, and 16 bytes and a number for each window.
    """

    def __init__(
        self, connection: sqlite3.Connection, widths: tuple[int, ...], on_progress: Callable[[int], None]
    ) -> None:
        self.count = 0
        self._connection, self._widths, self._on_progress = connection, widths, on_progress
        self._first = np.concatenate([[0], np.cumsum(widths)]).astype(int).tolist()
        self._tokens: dict[str, int] = {}
        self._windows: dict[bytes, int] = {}
        self._longest = self._positions = 0
        self._two_sided = False
        self._model = self._transcoder = ""

    def write(self, details: Iterable[FeatureFile]) -> None:
        for one in details:
            number = self._first[one.feature.layer] + one.feature.index
            kinds = kinds_of(one)
            self._feature(number, one, kinds)
            for kind, quantile in kinds.items():
                with_tokens = (example for example in quantile.examples if example.tokens)
                for rank, example in enumerate(with_tokens):
                    self._example(number, kind, rank, example)
            self._label(number, one)
            self._two_sided |= BOTTOM in kinds
            self._positions = max(self._positions, positions_of(one))
            self._model = self._model or model_of(one)
            self._transcoder = self._transcoder or one.transcoder
            self.count += 1
            self._on_progress(self.count)

    def finish(self, model: str, dictionary: str, source: str) -> None:
        """Write tokens, metadata and search."""
        self._connection.executemany(
            "INSERT INTO tokens VALUES (?, ?)", [(number, text) for text, number in self._tokens.items()]
        )
        metadata = IndexMetadata(
            model=model or self._model,
            dictionary=dictionary or self._transcoder,
            widths=self._widths,
            tokenizer="",
            window=self._longest,
            sink=None,
            two_sided=self._two_sided,
            wanted=0,
            positions=self._positions,
            complete=True,
            partial=True,
            corpus=(f"imported from {Path(source).name}",),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            generator=f"clew {__version__}",
        )
        write_metadata(self._connection, metadata)
        build_text_search(self._connection)

    def _feature(self, number: int, one: FeatureFile, kinds: dict[int, Quantile]) -> None:
        was_active = one.minimum < 0 or one.maximum > 0
        was_active |= any(quantile.examples for quantile in kinds.values())
        row: dict[str, Any] = {
            "id": number,
            "layer": one.feature.layer,
            "feature": one.feature.index,
            "frequency": max(one.frequency, UNKNOWN_FREQUENCY) if was_active else one.frequency,
            "mean": mean_of(one),
            "minimum": one.minimum,
            "maximum": one.maximum,
            "top_outputs": self._scored(outputs(one.top_outputs, one.more.get("top_logit_values"))),
            "bottom_outputs": self._scored(outputs(one.bottom_outputs, one.more.get("bottom_logit_values"))),
            "frequent_tokens": self._sample(frequent_tokens(one, kinds)),
            "strongest_tokens": self._scored(strongest_tokens(one, kinds)),
            "frequent_low": self._sample(frequent_tokens(one, kinds, BOTTOM)),
            "strongest_low": self._scored(strongest_tokens(one, kinds, BOTTOM)),
            "imported": json.dumps(distribution_of(one, kinds)),
        }
        marks = ", ".join("?" * len(row))
        self._connection.execute(
            f"INSERT INTO features ({', '.join(row)}) VALUES ({marks})", list(row.values())
        )

    def _example(self, number: int, kind: int, rank: int, example: FileExample) -> None:
        activations = np.array(example.activations, dtype=np.float32)
        at = int(np.abs(activations).argmax()) if example.peak is None else example.peak
        ids = np.array([self._token(text) for text in example.tokens], dtype=np.int32)
        self._longest = max(self._longest, len(ids))
        self._connection.execute(
            "INSERT INTO examples (feature, kind, rank, window, position, first, peak, context, activations) "
            "VALUES (?, ?, ?, ?, ?, 0, ?, 0, ?)",
            (
                *(number, kind, rank, self._window(pack_tokens(ids)), at),
                *(example.activations[at], pack_activations(*steps_of(activations))),
            ),
        )

    def _label(self, number: int, one: FeatureFile) -> None:
        if (label := label_of(one)) is None:
            return
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        row = (number, label.text, label.source, label.author, label.confidence, created, None)
        insert_labels(self._connection, [row])
        update_label_search(self._connection, number, label.text)

    def _token(self, text: str) -> int:
        return self._tokens.setdefault(text, len(self._tokens))

    def _window(self, tokens: bytes) -> int:
        """The id of a window; equal windows are stored once."""
        digest = hashlib.blake2b(tokens, digest_size=16).digest()
        if digest not in self._windows:
            self._windows[digest] = len(self._windows)
            self._connection.execute("INSERT INTO windows VALUES (?, ?)", (self._windows[digest], tokens))
        return self._windows[digest]

    def _sample(self, texts: list[str]) -> bytes:
        ids = np.array([self._token(text) for text in texts], dtype=np.int32)
        return pack_sample(ids, np.zeros(len(ids)))

    def _scored(self, pairs: list[tuple[str, float]]) -> bytes:
        ids = np.array([self._token(text) for text, _ in pairs], dtype=np.int32)
        return pack_scored(ids, np.array([value for _, value in pairs], dtype=np.float32))
