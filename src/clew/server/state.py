"""The objects behind all routes, and the parameters and answers that routes share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Request

from clew.graph.graph import Graph
from clew.server.events import Events
from clew.server.indexes import Indexes
from clew.server.job_queue import Jobs
from clew.server.library import Library
from clew.server.model_cache import ModelCache
from clew.server.page_files import PageFile
from clew.server.schemas.base import ID, Problem


@dataclass(frozen=True)
class ServerState:
    """Everything that the server holds while it runs."""

    library: Library
    events: Events
    jobs: Jobs
    models: ModelCache
    page: dict[str, PageFile]
    indexes: Indexes

    def annotated_graph(self, graph: str) -> Graph:
        """A graph with everything that people added to it, and its index's labels of features."""
        return self.indexes.with_labels(self.library.annotated(graph))

    def close(self) -> None:
        """End streams of events, the running job, and open files."""
        self.events.close()
        self.jobs.stop()
        self.indexes.close()
        self.library.close()


def _state(request: Request) -> ServerState:
    return request.app.state.server


State = Annotated[ServerState, Depends(_state)]
GraphId = Annotated[str, Path(pattern=ID, description="Id of the graph.")]
JobId = Annotated[str, Path(pattern=ID, description="Id of the job.")]

Responses = dict[int | str, dict[str, Any]]

ALWAYS: Responses = {
    400: {"model": Problem, "description": "The request is not valid HTTP."},
    401: {"model": Problem, "description": "The token is missing or wrong (away from loopback)."},
    403: {"model": Problem, "description": "The request comes from another page."},
    413: {"model": Problem, "description": "The request is too large."},
    421: {"model": Problem, "description": "The Host header names another server."},
    422: {"model": Problem, "description": "A value of the request cannot be used."},
    500: {"model": Problem, "description": "A fault of clew."},
    503: {"model": Problem, "description": "The library's folder, the disk or the memory cannot be used."},
}
"""Answers that any request may get."""
NOT_FOUND: Responses = {404: {"model": Problem, "description": "The library has no such thing."}}
CONFLICT: Responses = {409: {"model": Problem, "description": "The present state does not allow it."}}
