"""Full-text search over labels, output tokens, peak tokens and example texts."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from clew.feature import Feature
from clew.index.storage.blobs import unpack_scored, unpack_tokens
from clew.index.storage.metadata import IndexMetadata
from clew.index.storage.texts import TokenTexts
from clew.utf8 import joined_tokens

BEFORE, AFTER = 9, 3
"""Tokens around a peak that are searched."""
SHOWN = 6
"""Output tokens in a snippet."""
CONTEXTS = f"""SELECT substr(tokens, 4 * begin + 1, 4 * (end - begin)) FROM (
    SELECT tokens, kind, rank, max(first, position - {BEFORE}) AS begin,
    min(first + length(activations) - 4, position + {AFTER} + 1) AS end
    FROM examples JOIN windows ON windows.id = window WHERE feature = ?
) ORDER BY kind < 0, abs(kind), rank"""
"""The tokens around each peak, among those whose activations are kept."""


class SearchHit(NamedTuple):
    """A feature that a search found, and the text that matches."""

    feature: Feature
    snippet: str


def search(
    connection: sqlite3.Connection,
    metadata: IndexMetadata,
    query: str,
    limit: int,
    texts: TokenTexts,
    among: Iterable[int] | None = None,
) -> list[SearchHit]:
    """Features that match all words of a query, matching labels first; `among` are feature ids."""
    expression = _expression(query)
    if not expression or limit < 1:
        return []
    only = "" if among is None else "AND +rowid IN (SELECT value FROM json_each(:among))"
    values = {
        "query": expression,
        "limit": limit,
        "among": None if among is None else json.dumps(list(among)),
    }
    snippets: dict[int, str] = dict(
        connection.execute(
            f"SELECT rowid, label FROM label_search WHERE label_search MATCH :query {only} "
            "ORDER BY rank LIMIT :limit",
            values,
        )
    )
    by_text = connection.execute(
        f"SELECT rowid FROM text_search WHERE text_search MATCH :query {only} "
        "ORDER BY bm25(text_search, 4, 3, 1) LIMIT :limit",
        values,
    ).fetchall()
    words = re.findall(r"\w+", query.lower())
    for (number,) in by_text:
        if number not in snippets and len(snippets) < limit:
            snippets[number] = _snippet(connection, number, words, texts)
    return [SearchHit(metadata.feature_of(number), snippet) for number, snippet in snippets.items()]


def build_text_search(connection: sqlite3.Connection) -> None:
    """Make all features' tokens and example texts searchable anew; within the caller's transaction."""
    texts = TokenTexts(connection)
    connection.execute("INSERT INTO text_search (text_search) VALUES ('delete-all')")
    rows = connection.execute(
        "SELECT id, top_outputs, strongest_tokens, strongest_low FROM features WHERE frequency > 0"
    )
    for number, outputs, high, low in rows.fetchall():
        words = [
            " ".join(texts(token for blob in blobs for token in _token_ids(blob)))
            for blobs in ((outputs,), (high, low))
        ]
        connection.execute(
            "INSERT INTO text_search (rowid, outputs, peaks, examples) VALUES (?, ?, ?, ?)",
            (number, *words, "\n".join(_contexts(connection, number, texts))),
        )


def _expression(query: str) -> str:
    """The words of a query for FTS5; the last one may be the beginning of a word."""
    words = re.findall(r"\w+", query)
    return " ".join(f'"{word}"' for word in words) + "*" if words else ""


def _snippet(connection: sqlite3.Connection, number: int, words: list[str], texts: TokenTexts) -> str:
    """The text with most of the words: of output tokens, example texts and peak tokens the first such one."""
    outputs, high, low = connection.execute(
        "SELECT top_outputs, strongest_tokens, strongest_low FROM features WHERE id = ?", (number,)
    ).fetchone()
    candidates = [
        _listed(_token_ids(outputs)[:SHOWN], texts),
        *_contexts(connection, number, texts),
        _listed([*_token_ids(high), *_token_ids(low)], texts),
    ]
    return max(candidates, key=lambda text: sum(word in text.lower() for word in words)).strip()


def _listed(ids: list[int], texts: TokenTexts) -> str:
    return ", ".join(token.strip() for token in texts(ids))


def _token_ids(blob: bytes | None) -> list[int]:
    return unpack_scored(blob or b"")[0].tolist()


def _contexts(connection: sqlite3.Connection, number: int, texts: TokenTexts) -> list[str]:
    """The text around each example's peak."""
    rows = connection.execute(CONTEXTS, (number,)).fetchall()
    contexts = [unpack_tokens(blob).tolist() for (blob,) in dict.fromkeys(rows)]
    texts(chain.from_iterable(contexts))  # all of them in few queries
    return list(dict.fromkeys(joined_tokens(texts(ids)) for ids in contexts))
