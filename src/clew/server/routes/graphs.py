"""Routes to the library: list, import, rename, delete, restore."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from clew.server.file_limits import too_large
from clew.server.schemas.library import GraphEntry, Rename
from clew.server.security import content_length
from clew.server.state import NOT_FOUND, GraphId, State

router = APIRouter(prefix="/graphs", tags=["library"])

BODY = {
    "requestBody": {
        "required": True,
        "description": "A `.clew` file, or a graph in Neuronpedia's JSON.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("")
def list_graphs(state: State) -> list[GraphEntry]:
    """All graphs, newest first."""
    return state.library.entries()


@router.get("/{graph}", responses=NOT_FOUND)
def one_graph(state: State, graph: GraphId) -> GraphEntry:
    """One graph's entry."""
    return state.library.entry(graph)


@router.post("", status_code=201, openapi_extra=BODY)
async def import_graph(
    state: State,
    request: Request,
    name: Annotated[
        str | None, Query(max_length=200, description="Name in the library (by default the prompt).")
    ] = None,
) -> GraphEntry:
    """Put a graph file, with its annotations, into the library; any content type will do."""
    path, limit = state.library.new_upload(), state.library.limits.upload
    received = content_length(request.headers)
    if received > limit:
        raise too_large("A file", received, limit)
    try:
        received = 0
        with path.open("xb") as file:
            async for chunk in request.stream():
                received += len(chunk)
                if received > limit:
                    raise too_large("A file", received, limit)
                file.write(chunk)
        entry = await run_in_threadpool(state.library.import_file, path, name)
        state.events.publish("library", graph=entry.id, what="added")
        return entry
    finally:
        path.unlink(missing_ok=True)


@router.patch("/{graph}", responses=NOT_FOUND)
def rename_graph(state: State, graph: GraphId, body: Rename) -> GraphEntry:
    """Give a graph another name."""
    entry = state.library.rename(graph, body.name)
    state.events.publish("library", graph=graph, what="changed")
    return entry


@router.delete("/{graph}", status_code=204, responses=NOT_FOUND)
def delete_graph(state: State, graph: GraphId) -> None:
    """Hide a graph; it can be restored for 30 days."""
    state.library.delete(graph)
    state.events.publish("library", graph=graph, what="deleted")


@router.post("/{graph}/restore", responses=NOT_FOUND)
def restore_graph(state: State, graph: GraphId) -> GraphEntry:
    """Bring a deleted graph back; another one stays as it is."""
    entry = state.library.restore(graph)
    state.events.publish("library", graph=graph, what="added")
    return entry
