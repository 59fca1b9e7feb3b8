"""The library: list, import, rename, delete, restore."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from clew.server.limits import too_large
from clew.server.schemas.library import GraphEntry, Rename
from clew.server.state import NOT_FOUND, GraphId, Served, ServerState

router = APIRouter(prefix="/graphs", tags=["library"])

BODY = {
    "requestBody": {
        "required": True,
        "description": "A `.clew` file, or a graph in Neuronpedia's JSON.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("", response_model=list[GraphEntry])
def list_graphs(served: Served) -> list[dict[str, Any]]:
    """All graphs, the newest first."""
    return served.library.entries()


@router.get("/{graph}", response_model=GraphEntry, responses=NOT_FOUND)
def one_graph(served: Served, graph: GraphId) -> dict[str, Any]:
    """One graph's entry."""
    return served.library.entry(graph)


@router.post("", status_code=201, response_model=GraphEntry, openapi_extra=BODY)
async def import_graph(
    served: Served,
    request: Request,
    name: Annotated[str | None, Query(max_length=200, description="By default the prompt.")] = None,
) -> dict[str, Any]:
    """Put a graph file into the library, with the annotations that it holds; of any content type."""
    path, limit = served.library.new_upload(), served.library.limits.upload
    received = _announced(request)
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
        return await run_in_threadpool(_taken_in, served, path, name)
    finally:
        path.unlink(missing_ok=True)


def _announced(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    return int(text) if text.isdecimal() else 0


def _taken_in(served: ServerState, path: Any, name: str | None) -> dict[str, Any]:
    entry = served.library.take_in(path, name)
    served.events.publish("library", graph=entry["id"], what="added")
    return entry


@router.patch("/{graph}", response_model=GraphEntry, responses=NOT_FOUND)
def rename_graph(served: Served, graph: GraphId, body: Rename) -> dict[str, Any]:
    """Give a graph another name."""
    entry = served.library.rename(graph, body.name)
    served.events.publish("library", graph=graph, what="changed")
    return entry


@router.delete("/{graph}", status_code=204, responses=NOT_FOUND)
def delete_graph(served: Served, graph: GraphId) -> None:
    """Take a graph out of sight; for 30 days it can be restored."""
    served.library.delete(graph)
    served.events.publish("library", graph=graph, what="deleted")


@router.post("/{graph}/restore", response_model=GraphEntry, responses=NOT_FOUND)
def restore_graph(served: Served, graph: GraphId) -> dict[str, Any]:
    """Bring a deleted graph back; one that is there stays as it is."""
    entry = served.library.restore(graph)
    served.events.publish("library", graph=graph, what="added")
    return entry
