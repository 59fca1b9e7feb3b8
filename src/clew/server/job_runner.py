"""What jobs do: load a model, trace a prompt, change features."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from clew.server.database import Database
from clew.server.events import Events
from clew.server.interventions import intervene
from clew.server.job_progress import JobProgress
from clew.server.jobs import Outcome
from clew.server.library import Library
from clew.server.model_cache import ModelCache, check_known, wanted_by


class JobRunner:
    """Runs requests with the kept model on the library's graphs."""

    def __init__(self, library: Library, events: Events, kept: ModelCache) -> None:
        self._library, self._events, self._kept = library, events, kept

    def run(self, request: dict[str, Any], progress: JobProgress) -> Outcome:
        match request["kind"]:
            case "load":
                self._load(request, progress)
                return Outcome(None)
            case "trace":
                graph = self._trace(request, progress)
                return Outcome({"graph": graph}, graph)
            case _:
                return Outcome(self._intervene(request, progress), request["graph"])

    def _load(self, request: Mapping[str, Any], progress: JobProgress) -> Any:
        progress.note(f"Loading {request['model']}")
        wanted = {name: request[name] for name in ("model", "dictionary")}
        return self._kept.get(wanted, progress.note, progress.check)

    def _trace(self, request: Mapping[str, Any], progress: JobProgress) -> str:
        model = self._load(request, progress)
        from clew.attribution.trace import GapWarning

        progress.note("Reading the prompt")
        thresholds = {name: request[name] for name in ("node_threshold", "edge_threshold")}
        same = "max_targets", "target_probability", "max_nodes", "selection", "sink", "prompt", "targets"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GapWarning)  # the graph says it
            graph = model.trace(
                **{name: request[name] for name in same}, **thresholds, on_progress=progress.work
            )
        if min(thresholds.values()) < 1:
            progress.note("Pruning")
            graph = graph.prune(**thresholds)
        progress.note("Saving")
        entry = self._library.add(graph, request["name"])
        self._events.publish("library", graph=entry["id"], what="added")
        return entry["id"]

    def _intervene(self, request: Mapping[str, Any], progress: JobProgress) -> dict[str, Any]:
        progress.note("Opening the graph")
        opened = self._library.opened(request["graph"])
        wanted = wanted_by(opened.graph)
        if self._kept.ready(wanted) is None:
            check_known(wanted, references_used(self._library.database))
            progress.note(f"Loading {wanted['model']}")
        model = self._kept.get(wanted, progress.note, progress.check)
        path = self._library.path_of(request["graph"])
        return intervene(model, wanted, opened, path, request, progress)


def references_used(database: Database) -> set[tuple[str, str]]:
    """Models and dictionaries that somebody named here, in a job that loaded them."""
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT DISTINCT request ->> 'model' AS model, request ->> 'dictionary' AS dictionary "
            "FROM jobs WHERE kind IN ('load', 'trace') AND state = 'done'"
        )
        return {(row["model"], row["dictionary"]) for row in rows}
