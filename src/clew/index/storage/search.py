"""Full-text search over labels, output tokens, peak tokens and example texts."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from clew.index.storage.blobs import unpack_scored, unpack_tokens
from clew.index.storage.label import RANK
from clew.index.storage.metadata import About
from clew.index.storage.record_reader import Texts

BEFORE, AFTER = 9, 3
"""Tokens around a peak that are searched."""
SHOWN = 6
"""Output tokens in a snippet."""
CONTEXTS = f"""SELECT substr(tokens, 4 * begin + 1, 4 * (end - begin)) FROM (
    SELECT tokens, kind, rank, max(first, position - {BEFORE}) AS begin,
    min(first + length(activations) - 4, position + {AFTER} + 1) AS end
    FROM examples JOIN windows ON windows.id = window WHERE feature = ?
) ORDER BY kind < 0, abs(kind), rank"""
"""The tokens around each peak, of those whose activations are kept."""


class Hit(NamedTuple):
    """A feature that a search found, and why."""

    layer: int
    feature: int
    snippet: str


def search(
    connection: sqlite3.Connection,
    about: About,
    query: str,
    limit: int,
    texts: Texts,
    among: Iterable[int] | None = None,
) -> list[Hit]:
    """Features that hold all words of a query, those with it in their label first; `among` names ids."""
    asked = _expression(query)
    if not asked or limit < 1:
        return []
    only = "" if among is None else "AND +rowid IN (SELECT value FROM json_each(:among))"
    values = {"asked": asked, "limit": limit, "among": None if among is None else json.dumps(list(among))}
    hits: dict[int, str] = dict(
        connection.execute(
            f"SELECT rowid, label FROM label_search WHERE label_search MATCH :asked {only} "
            "ORDER BY rank LIMIT :limit",
            values,
        )
    )
    found = connection.execute(
        f"SELECT rowid FROM text_search WHERE text_search MATCH :asked {only} "
        "ORDER BY bm25(text_search, 4, 3, 1) LIMIT :limit",
        values,
    ).fetchall()
    words = re.findall(r"\w+", query.lower())
    for (number,) in found:
        if number not in hits and len(hits) < limit:
            hits[number] = _snippet(connection, number, words, texts)
    return [Hit(*about.place_of(number), snippet) for number, snippet in hits.items()]


def _expression(query: str) -> str:
    """The words of a query for FTS5, each as it stands; the last may go on."""
    words = re.findall(r"\w+", query)
    return " ".join(f'"{word}"' for word in words) + "*" if words else ""


def _snippet(connection: sqlite3.Connection, number: int, words: list[str], texts: Texts) -> str:
    """Of output tokens, examples and the tokens of peaks the first that holds most of the words."""
    outputs, high, low = connection.execute(
        "SELECT top_outputs, strongest_tokens, strongest_low FROM features WHERE id = ?", (number,)
    ).fetchone()
    peaks = [*_tokens_of(high), *_tokens_of(low)]
    pieces = [
        _listed(_tokens_of(outputs)[:SHOWN], texts),
        *_contexts(connection, number, texts),
        _listed(peaks, texts),
    ]

    def held(piece: str) -> int:
        lower = piece.lower()
        return sum(word in lower for word in words)

    return max(pieces, key=held).strip()


def _listed(ids: list[int], texts: Texts) -> str:
    return ", ".join(token.strip() for token in _spelled(ids, texts))


def _tokens_of(blob: bytes | None) -> list[int]:
    return unpack_scored(blob or b"")[0].tolist()


def _spelled(ids: list[int], texts: Texts) -> list[str]:
    known = texts(ids)
    return [known[token] for token in ids]


def _contexts(connection: sqlite3.Connection, number: int, texts: Texts) -> list[str]:
    """The text around each example's peak."""
    rows = connection.execute(CONTEXTS, (number,)).fetchall()
    pieces = [unpack_tokens(blob).tolist() for (blob,) in dict.fromkeys(rows)]
    known = texts(chain.from_iterable(pieces))
    return list(dict.fromkeys("".join([known[token] for token in ids]) for ids in pieces))


def relabel(connection: sqlite3.Connection, number: int, text: str) -> None:
    """What labels are found by, after one has changed; within the caller's transaction."""
    connection.execute("DELETE FROM label_search WHERE rowid = ?", (number,))
    if text:
        connection.execute("INSERT INTO label_search (rowid, label) VALUES (?, ?)", (number, text))


def build_label_search(connection: sqlite3.Connection) -> None:
    """All features' labels anew, of each the one that counts; within the caller's transaction."""
    connection.execute("DELETE FROM label_search")
    best = connection.execute(
        "SELECT feature, text FROM labels "
        "WHERE id IN (SELECT max(id) FROM labels GROUP BY feature, source) AND text != '' "
        f"ORDER BY {RANK} DESC"
    )
    connection.executemany(
        "INSERT INTO label_search (rowid, label) VALUES (?, ?)", dict(best.fetchall()).items()
    )


def build_text_search(connection: sqlite3.Connection, texts: Texts) -> None:
    """All features' tokens and example texts anew; within the caller's transaction."""
    connection.execute("INSERT INTO text_search (text_search) VALUES ('delete-all')")
    rows = connection.execute(
        "SELECT id, top_outputs, strongest_tokens, strongest_low FROM features WHERE frequency > 0"
    )
    for number, outputs, high, low in rows.fetchall():
        words = [
            " ".join(_spelled([token for blob in blobs for token in _tokens_of(blob)], texts))
            for blobs in ((outputs,), (high, low))
        ]
        examples = "\n".join(_contexts(connection, number, texts))
        connection.execute(
            "INSERT INTO text_search (rowid, outputs, peaks, examples) VALUES (?, ?, ?, ?)",
            (number, *words, examples),
        )
