"""One graph of the library as a row of the database, and as pages list it."""

from __future__ import annotations

import sqlite3
from typing import Any

from clew.graph.graph import Graph
from clew.server.database import now

SHOWN_OF_PROMPT, SHOWN_OF_NAME = 2_000, 80


def columns_of(graph_id: str, graph: Graph, name: str | None) -> dict[str, Any]:
    """What a row says about a graph; a file's size and content come beside."""
    info = graph.info
    answer = max(info.targets, key=lambda target: target.weight, default=None)
    scores = info.pruned_scores or info.scores
    time = now()
    return {
        "id": graph_id,
        "name": name or _shortened(" ".join(info.prompt.split()), SHOWN_OF_NAME) or "a graph",
        "prompt": _shortened(info.prompt, SHOWN_OF_PROMPT),
        "model": info.model,
        "dictionary": info.dictionary,
        "answer_text": answer and answer.text,
        "answer_probability": answer and answer.probability,
        **vars(graph.size),
        "replacement": scores and scores.replacement,
        "completeness": scores and scores.completeness,
        "created": time,
        "modified": time,
    }


def entry_of(row: sqlite3.Row) -> dict[str, Any]:
    """As the API says it."""
    same = "id", "name", "prompt", "model", "dictionary", "nodes", "features", "edges", "size"
    answer = {"text": row["answer_text"], "probability": row["answer_probability"]}
    scores = {"replacement": row["replacement"], "completeness": row["completeness"]}
    return {
        **{name: row[name] for name in (*same, "created", "modified")},
        "answer": None if row["answer_text"] is None else answer,
        "scores": None if row["replacement"] is None else scores,
    }


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
