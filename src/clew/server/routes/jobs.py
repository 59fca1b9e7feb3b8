"""Long work, and the stream of what happens."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Body, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from clew.server.schemas.base import ID
from clew.server.schemas.jobs import InterveneRequest, Job, JobRequest
from clew.server.state import CONFLICT, NOT_FOUND, JobId, Served

router = APIRouter(tags=["jobs"])


@router.post("/jobs", status_code=202, response_model=Job, responses={**NOT_FOUND, **CONFLICT})
def add_job(served: Served, body: Annotated[JobRequest, Body()]) -> Job:
    """Load a model, trace a prompt or change features; done one at a time, in order."""
    if isinstance(body, InterveneRequest):
        served.library.entry(body.graph)
    return served.jobs.add(body)


@router.get("/jobs", response_model=list[Job])
def list_jobs(
    served: Served,
    graph: Annotated[str | None, Query(pattern=ID, description="Only those about this graph.")] = None,
) -> list[Job]:
    """All jobs, the newest first."""
    return served.jobs.list(graph)


@router.get("/jobs/{job}", response_model=Job, responses=NOT_FOUND)
def one_job(served: Served, job: JobId) -> Job:
    """One job, with what came of it."""
    return served.jobs.get(job)


@router.delete("/jobs/{job}", status_code=204, responses=NOT_FOUND)
def cancel_or_forget_job(served: Served, job: JobId) -> None:
    """Cancel a job that waits or runs; forget one that is over."""
    served.jobs.cancel_or_forget(job)


@router.get("/events", response_class=EventSourceResponse)
async def events(served: Served) -> AsyncIterable[ServerSentEvent]:
    """Everything that happens from now on, as server-sent events.

    `job` (a job without its result), `library` (`{graph, what: added|changed|deleted}`), `annotations`
    (`{graph, revision}`) and `label` (`{model, dictionary, feature, label}`, of an index); a comment every 15
    seconds.
    """
    yield ServerSentEvent(comment="listening")
    async for event in served.events.listen():
        yield ServerSentEvent(event=event.name, data=event.data)
