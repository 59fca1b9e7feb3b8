"""Routes to jobs, and the stream of events."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Body, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from clew.server.schemas.base import ID
from clew.server.schemas.jobs import InterveneRequest, Job, JobRequest, SwapRequest
from clew.server.state import CONFLICT, NOT_FOUND, JobId, State

router = APIRouter(tags=["jobs"])


@router.post("/jobs", status_code=202, responses={**NOT_FOUND, **CONFLICT})
def add_job(state: State, body: Annotated[JobRequest, Body()]) -> Job:
    """Load a model, trace a prompt, change or swap features; jobs run one at a time, in order."""
    if isinstance(body, InterveneRequest | SwapRequest):
        state.library.entry(body.graph)
    return state.jobs.add(body)


@router.get("/jobs")
def list_jobs(
    state: State,
    graph: Annotated[
        str | None, Query(pattern=ID, description="Id of a graph, to list only jobs about it.")
    ] = None,
) -> list[Job]:
    """All jobs, newest first."""
    return state.jobs.list(graph)


@router.get("/jobs/{job}", responses=NOT_FOUND)
def one_job(state: State, job: JobId) -> Job:
    """One job, with its result."""
    return state.jobs.get(job)


@router.delete("/jobs/{job}", status_code=204, responses=NOT_FOUND)
def cancel_or_delete_job(state: State, job: JobId) -> None:
    """Cancel a job that waits or runs; delete one that is over."""
    state.jobs.cancel_or_delete(job)


@router.get("/events", response_class=EventSourceResponse)
async def events(state: State) -> AsyncIterable[ServerSentEvent]:
    """All events from now on, as server-sent events.

    `job` (a job without its result), `library` (`{graph, what: added|changed|deleted}`), `annotations`
    (`{graph, revision}`) and `label` (`{model, dictionary, feature, label}`, of an index); a comment every 15
    seconds.
    """
    yield ServerSentEvent(comment="listening")
    async for event in state.events.listen():
        yield event
