"""Annotations of graphs: keys and values that several pages may change at once."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from clew.errors import ClewError
from clew.graph.info import Annotations, BoxPlace
from clew.server.database import Database, now
from clew.server.errors import RequestError, no_graph
from clew.server.file_limits import MOST_TEXT
from clew.server.open_graphs import OpenGraph
from clew.server.schemas.annotations import AnnotationsPatched

Values = dict[str, Any]
"""Texts, true, groups `{name, members, color}` and places `{x, y, width, height}` by key.

None stands for a value that was taken back.
"""

KINDS = "label", "feature", "pin", "group", "place"
GROUP_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class AnnotationRows:
    """The rows of annotations and labels; a feature's label belongs to its model and dictionary.

    Every change takes the next revision of the whole library. A value that was taken back leaves a row
    without a value, so that other pages hear of it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, graph: str, opened: OpenGraph) -> tuple[int, Values]:
        """The revision and all values."""
        with self._database.reading() as connection:
            rows = _rows(connection, graph, opened)
            values = {key: value for key, (value, _) in rows.items() if value is not None}
            return _revision(connection), values

    def change(
        self, graph: str, opened: OpenGraph, base: int, changes: Values
    ) -> tuple[AnnotationsPatched, bool]:
        """Apply the changes of keys that nobody else changed since `base`; True where that wrote anything.

        Raises `ClewError` for a change that the graph does not allow.
        """
        for key, value in changes.items():
            check_change(key, value, opened)
        with self._database.changing() as connection:
            before = _revision(connection)
            if base > before:
                sentence = f"This library has no revision {base} yet (it has {before}); reload the page."
                raise RequestError(409, sentence)
            rows = _rows(connection, graph, opened)
            theirs = {key: value for key, (value, revision) in rows.items() if revision > base}
            conflicts = {key: theirs[key] for key in changes if key in theirs and theirs[key] != changes[key]}
            mine = {
                key: value
                for key, value in changes.items()
                if key not in conflicts and rows.get(key, (None, 0))[0] != value
            }
            if mine:
                _write(connection, graph, mine)
            revision, values = _revision(connection), theirs | mine
            return AnnotationsPatched(revision=revision, values=values, conflicts=conflicts), bool(mine)

    def add(self, connection: sqlite3.Connection, graph: str, values: Values) -> None:
        """Add the values of a new graph's file; existing feature labels win."""
        labelled = {key for key, (text, _) in _labels(connection, graph).items() if text is not None}
        if new := {key: value for key, value in values.items() if key not in labelled}:
            _write(connection, graph, new)

    def graphs_with_labels_of(self, graph: str) -> list[str]:
        """Ids of the graphs that share feature labels: all of the same model and dictionary."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id FROM graphs WHERE (model, dictionary) = (?, ?) AND deleted IS NULL",
                _scope(connection, graph),
            )
            return [row["id"] for row in rows] or [graph]


def values_of(annotations: Annotations, opened: OpenGraph) -> Values:
    """A file's annotations of nodes and features that the graph has, as values by key."""
    nodes, features, colors = opened.nodes, opened.features, annotations.supernode_colors
    values: Values = {f"label:{node}": text for node, text in annotations.labels.items() if node in nodes}
    values |= {f"pin:{node}": True for node in annotations.pins if node in nodes}
    labels = annotations.feature_labels
    values |= {f"feature:{name}": text for name, text in labels.items() if name in features}
    for number, (name, members) in enumerate(annotations.supernodes, start=1):
        present = list(dict.fromkeys(member for member in members if member in nodes))
        if present:
            values[f"group:{number:04}"] = {"name": name, "members": present, "color": colors.get(name)}
            if name in annotations.supernode_places:
                values[f"place:g:{number:04}"] = asdict(annotations.supernode_places[name])
    places = annotations.node_places.items()
    return values | {f"place:n:{node}": asdict(place) for node, place in places if node in nodes}


def annotations_of(values: Values) -> Annotations:
    """The inverse of `values_of`, except for the ids of groups."""
    by_kind: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    for key in sorted(values):
        kind, _, name = key.partition(":")
        by_kind[kind][name] = values[key]
    groups = list(by_kind["group"].values())
    places = {key: BoxPlace(**place) for key, place in by_kind["place"].items()}
    return Annotations(
        labels=by_kind["label"],
        supernodes=tuple((group["name"], tuple(group["members"])) for group in groups),
        pins=tuple(by_kind["pin"]),
        feature_labels=by_kind["feature"],
        supernode_colors={group["name"]: group["color"] for group in groups if group["color"]},
        supernode_places={
            group["name"]: places[f"g:{id}"] for id, group in by_kind["group"].items() if f"g:{id}" in places
        },
        node_places={key.removeprefix("n:"): place for key, place in places.items() if key.startswith("n:")},
    )


def check_change(key: str, value: Any, opened: OpenGraph) -> None:
    """Raise `ClewError` for a key that the graph does not have, or a value that the key cannot have."""
    kind, _, name = key.partition(":")
    if kind not in KINDS or not name:
        raise ClewError(
            f"{_shown(key)} is not an annotation; expected label:ID, feature:L12/4031, pin:ID, group:NAME, "
            "place:g:NAME or place:n:ID."
        )
    if kind == "place":
        _check_place(key, value, opened)
    elif kind == "group":
        if not GROUP_ID.fullmatch(name):
            rule = "a group's id has up to 64 letters, digits, - and _."
            raise ClewError(f"{_shown(key)} is not a key; {rule}")
    elif name not in (opened.features if kind == "feature" else opened.nodes):
        what = "feature" if kind == "feature" else "node"
        raise ClewError(f"The graph has no {what} {_shown(name)}, so it cannot have this {kind}.")
    if value is None:
        return
    match kind:
        case "pin" if value is not True:
            raise ClewError(f"{_shown(key)} can be true or null only.")
        case "label" | "feature":
            if not isinstance(value, str):
                raise ClewError(f"{_shown(key)} must be a text or null.")
            _check_text(value)
        case "group":
            _check_group(key, value, opened)


def _check_place(key: str, value: Any, opened: OpenGraph) -> None:
    kind, _, name = key.removeprefix("place:").partition(":")
    if not (GROUP_ID.fullmatch(name) if kind == "g" else kind == "n" and name in opened.nodes):
        raise ClewError(
            f"{_shown(key)} names no box; expected place:g: and a group's id, or place:n: and a node's."
        )
    if value is not None and not (isinstance(value, dict) and "x" in value):
        raise ClewError(f"{_shown(key)} must be a place (x, y, width, height) or null.")


def _check_group(key: str, value: Any, opened: OpenGraph) -> None:
    if not (isinstance(value, dict) and "members" in value):
        raise ClewError(f"{_shown(key)} must be a group (name, members, color) or null.")
    _check_text(value["name"])
    unknown = [member for member in value["members"] if member not in opened.nodes]
    if unknown:
        raise ClewError(f"The graph has no node {_shown(unknown[0])}, so it cannot be in a group.")
    if len(set(value["members"])) < len(value["members"]):
        raise ClewError(f"{_shown(key)} names a node twice.")


def _check_text(text: str) -> None:
    if len(text) > MOST_TEXT:
        raise ClewError(f"A text has {len(text):,} characters; at most {MOST_TEXT:,} are kept. Shorten it.")


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 60 else f"{text[:60]}...")


def _revision(connection: sqlite3.Connection) -> int:
    return connection.execute("SELECT value FROM counters WHERE name = 'revision'").fetchone()[0]


def _rows(connection: sqlite3.Connection, graph: str, opened: OpenGraph) -> dict[str, tuple[Any, int]]:
    """Value and revision by key: the graph's own rows, and the labels of its features."""
    rows = connection.execute("SELECT key, value, revision FROM annotations WHERE graph = ?", [graph])
    own = {
        row["key"]: (None if row["value"] is None else json.loads(row["value"]), row["revision"])
        for row in rows
    }
    labels = _labels(connection, graph)
    return own | {key: row for key, row in labels.items() if key.removeprefix("feature:") in opened.features}


def _labels(connection: sqlite3.Connection, graph: str) -> dict[str, tuple[str | None, int]]:
    rows = connection.execute(
        "SELECT feature, text, revision FROM labels WHERE (model, dictionary) = (?, ?)",
        _scope(connection, graph),
    )
    return {f"feature:{row['feature']}": (row["text"], row["revision"]) for row in rows}


def _scope(connection: sqlite3.Connection, graph: str) -> tuple[str, str]:
    """Model and dictionary that share labels with a graph; a graph that does not name both shares none."""
    row = connection.execute("SELECT model, dictionary FROM graphs WHERE id = ?", [graph]).fetchone()
    if row is None:
        raise no_graph(graph)
    model, dictionary = row
    return (model, dictionary) if model and dictionary else ("", graph)


def _write(connection: sqlite3.Connection, graph: str, values: Mapping[str, Any]) -> None:
    connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'revision'")
    revision = _revision(connection)
    scope = _scope(connection, graph)
    own, labels = [], []
    for key, value in values.items():
        if key.startswith("feature:"):
            labels.append((*scope, key.removeprefix("feature:"), value, revision))
        else:
            text = None if value is None else json.dumps(value, ensure_ascii=False)
            own.append((graph, key, text, revision))
    connection.executemany("INSERT OR REPLACE INTO annotations VALUES (?, ?, ?, ?)", own)
    connection.executemany("INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?, ?)", labels)
    connection.execute("UPDATE graphs SET modified = ? WHERE id = ?", [now(), graph])
