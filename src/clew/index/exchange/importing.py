"""From details of features to an index, as if clew had read the texts itself, as far as the files say."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from clew.errors import ClewError
from clew.index.exchange.extra_fields import (
    frequent_tokens,
    kinds_of,
    label_of,
    mean_of,
    model_of,
    outputs,
    positions_of,
    strongest_tokens,
    told_distribution,
)
from clew.index.exchange.feature_file import Example, FeatureDetails, Quantile
from clew.index.exchange.folder import read_details, widths_of
from clew.index.storage.blobs import pack_activations, pack_drawn, pack_scored, pack_tokens, steps_of
from clew.index.storage.metadata import About, write_about
from clew.index.storage.record import BOTTOM
from clew.index.storage.schema import changing, connect
from clew.index.storage.search import build_text_search
from clew.version import __version__

UNTOLD = 1e-9
"""Frequency of a feature that was active, where the file does not say how frequent it is."""


def import_details(
    source: str | Path,
    out: str | Path,
    model: str = "",
    dictionary: str = "",
    on_progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Make a new index of details in either form; returns how many features they describe.

    `model` and `dictionary` are by default what the first of them names. Texts are kept as they are cut in
    the files; `on_progress` gets the number of features read. The index appears when all is read. Raises
    `ClewError` for a file that is there already, and as `read_details` for what is damaged.
    """
    out = Path(out).expanduser()
    if out.exists():
        raise ClewError(f"{out} is there already; name another file, or remove it.")
    if not out.parent.is_dir():
        raise ClewError(f"{out} cannot be written: there is no folder {out.parent}; make it first.")
    widths, details = widths_of(source), read_details(source)
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        connection = connect(partial, create=True)
        try:
            rows = _Rows(connection, widths, on_progress)
            with changing(connection):
                rows.write(details)
                rows.finish(model, dictionary, str(source))
        finally:
            connection.close()
        partial.replace(out)
    except (OSError, sqlite3.Error) as error:
        raise ClewError(f"{out} cannot be written ({error}); make room, or choose another place.") from error
    finally:
        partial.unlink(missing_ok=True)
    return rows.count


class _Rows:
    """The rows of a new index, within one transaction.

    In memory are the spelling of each token, and 16 bytes and a number for each text.
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

    def write(self, details: Iterable[FeatureDetails]) -> None:
        for one in details:
            number = self._first[one.layer] + one.feature
            kinds = kinds_of(one)
            self._feature(number, one, kinds)
            for kind, quantile in kinds.items():
                shown = (example for example in quantile.examples if example.tokens)
                for rank, example in enumerate(shown):
                    self._example(number, kind, rank, example)
            self._label(number, one)
            self._two_sided |= BOTTOM in kinds
            self._positions = max(self._positions, positions_of(one))
            self._model = self._model or model_of(one)
            self._transcoder = self._transcoder or one.transcoder
            self.count += 1
            self._on_progress(self.count)

    def finish(self, model: str, dictionary: str, source: str) -> None:
        """The facts of the index, its tokens, and what it is searched by."""
        self._connection.executemany(
            "INSERT INTO tokens VALUES (?, ?)", [(number, text) for text, number in self._tokens.items()]
        )
        about = About(
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
        write_about(self._connection, about)
        texts = {number: text for text, number in self._tokens.items()}
        build_text_search(self._connection, lambda ids: texts)

    def _feature(self, number: int, one: FeatureDetails, kinds: dict[int, Quantile]) -> None:
        was_active = one.minimum < 0 or one.maximum > 0
        was_active |= any(quantile.examples for quantile in kinds.values())
        row: dict[str, Any] = {
            "id": number,
            "layer": one.layer,
            "feature": one.feature,
            "frequency": max(one.frequency, UNTOLD) if was_active else one.frequency,
            "mean": mean_of(one),
            "minimum": one.minimum,
            "maximum": one.maximum,
            "top_outputs": self._scored(outputs(one.top_outputs, one.more.get("top_logit_values"))),
            "bottom_outputs": self._scored(outputs(one.bottom_outputs, one.more.get("bottom_logit_values"))),
            "frequent_tokens": self._drawn(frequent_tokens(one, kinds)),
            "strongest_tokens": self._scored(strongest_tokens(one, kinds)),
            "frequent_low": self._drawn(frequent_tokens(one, kinds, BOTTOM)),
            "strongest_low": self._scored(strongest_tokens(one, kinds, BOTTOM)),
            "imported": json.dumps(told_distribution(one, kinds)),
        }
        marks = ", ".join("?" * len(row))
        self._connection.execute(
            f"INSERT INTO features ({', '.join(row)}) VALUES ({marks})", list(row.values())
        )

    def _example(self, number: int, kind: int, rank: int, example: Example) -> None:
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

    def _label(self, number: int, one: FeatureDetails) -> None:
        if (label := label_of(one)) is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._connection.execute(
            "INSERT INTO labels (feature, text, source, author, confidence, created) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (number, label.text, label.source, label.author, label.confidence, now),
        )
        self._connection.execute(
            "INSERT INTO label_search (rowid, label) VALUES (?, ?)", (number, label.text)
        )

    def _token(self, text: str) -> int:
        return self._tokens.setdefault(text, len(self._tokens))

    def _window(self, tokens: bytes) -> int:
        """The row of a text, which is stored once."""
        digest = hashlib.blake2b(tokens, digest_size=16).digest()
        if digest not in self._windows:
            self._windows[digest] = len(self._windows)
            self._connection.execute("INSERT INTO windows VALUES (?, ?)", (self._windows[digest], tokens))
        return self._windows[digest]

    def _drawn(self, texts: list[str]) -> bytes:
        ids = np.array([self._token(text) for text in texts], dtype=np.int32)
        return pack_drawn(ids, np.zeros(len(ids)))

    def _scored(self, pairs: list[tuple[str, float]]) -> bytes:
        ids = np.array([self._token(text) for text, _ in pairs], dtype=np.int32)
        return pack_scored(ids, np.array([value for _, value in pairs], dtype=np.float32))
