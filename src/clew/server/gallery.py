"""Graphs of the gallery on their way into a library: each once, with the history of its interventions."""

from __future__ import annotations

import json
import uuid

from clew.gallery.exhibits import Exhibit
from clew.server.database import now
from clew.server.interventions import place_changes, python_for
from clew.server.job_queue import REQUEST
from clew.server.library import Library
from clew.server.model_cache import settings_of
from clew.server.schemas.jobs import InterveneRequest, InterventionOutcome
from clew.server.schemas.library import GraphEntry


def open_exhibit(library: Library, exhibit: Exhibit) -> GraphEntry:
    """A library's own copy of an exhibit, made where it has none; the exhibit itself never changes.

    Its interventions are put into the copy's history where that is empty.
    """
    entry = library.import_file_once(exhibit.graph_file)
    with library.database.reading() as connection:
        known = connection.execute("SELECT 1 FROM jobs WHERE graph = ? LIMIT 1", [entry.id]).fetchone()
    if known is None:
        _add_history(library, entry.id, exhibit)
    return entry


def _add_history(library: Library, graph: str, exhibit: Exhibit) -> None:
    opened, path, time = library.opened(graph), library.path_of(graph), now()
    loaded, rows = settings_of(opened.graph), []
    for trial in reversed(exhibit.trials):  # pages list the latest first
        request = REQUEST.validate_python(trial["request"] | {"graph": graph})
        assert isinstance(request, InterveneRequest)
        python = python_for(loaded, path, place_changes(request.changes, opened), request)
        outcome = InterventionOutcome(**trial["result"] | {"python": python})
        result = json.dumps(outcome.model_dump(mode="json"))
        rows.append((uuid.uuid4().hex, time, time, time, REQUEST.dump_json(request).decode(), result, graph))
    with library.database.changing() as connection:
        connection.executemany(
            "INSERT INTO jobs (id, kind, state, phase, done, total, created, started, finished, request, "
            "result, graph) VALUES (?, 'intervene', 'done', '', 0, 0, ?, ?, ?, ?, ?, ?)",
            rows,
        )
