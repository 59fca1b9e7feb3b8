"""All that routes work with, in one place that the app makes and ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Request

from clew.graph.graph import Graph
from clew.server.events import Events
from clew.server.indexes import Indexes
from clew.server.jobs import Jobs
from clew.server.library import Library
from clew.server.model_cache import ModelCache
from clew.server.page_files import PageFile
from clew.server.schemas.base import ID, Problem


@dataclass(frozen=True)
class ServerState:
    """What the server holds while it runs."""

    library: Library
    events: Events
    jobs: Jobs
    kept: ModelCache
    page: dict[str, PageFile]
    indexes: Indexes

    def graph(self, graph: str) -> Graph:
        """A graph with all that people added to it, and what the index of its dictionary calls features."""
        return self.indexes.named(self.library.annotated(graph))

    def close(self) -> None:
        self.events.close()
        self.jobs.stop()
        self.indexes.close()
        self.library.close()


def _service(request: Request) -> ServerState:
    return request.app.state.service


Served = Annotated[ServerState, Depends(_service)]
GraphId = Annotated[str, Path(pattern=ID, description="A graph's id.")]
JobId = Annotated[str, Path(pattern=ID, description="A job's id.")]

Responses = dict[int | str, dict[str, Any]]

ALWAYS: Responses = {
    400: {"model": Problem, "description": "The request is no HTTP that makes sense."},
    401: {"model": Problem, "description": "The token is missing or wrong (away from loopback)."},
    403: {"model": Problem, "description": "Another page asked for this."},
    413: {"model": Problem, "description": "The request is too large."},
    421: {"model": Problem, "description": "The Host header names another server."},
    422: {"model": Problem, "description": "Something given cannot be used."},
    500: {"model": Problem, "description": "A fault of clew."},
}
"""Answers that any request may get."""
NOT_FOUND: Responses = {404: {"model": Problem, "description": "There is no such thing in the library."}}
CONFLICT: Responses = {409: {"model": Problem, "description": "Not possible as things stand now."}}
