"""What is in a graph: arrays, edges of a node, summary, exports, and two graphs side by side."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from clew.server.export import TYPES, Format, export
from clew.server.neighbours import edges_of
from clew.server.part import bytes_for_page
from clew.server.schemas import Edges
from clew.server.service import CONFLICT, NOT_FOUND, GraphId, Responses, Served

router = APIRouter(tags=["contents"])

CLEW = "application/vnd.clew"
COUNT = {"schema": {"type": "integer", "minimum": 0}}
ARRAYS: Responses = {
    200: {
        "description": "A `.clew` file.",
        "content": {CLEW: {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            "clew-nodes-total": {"description": "Nodes of the stored graph.", "required": True, **COUNT},
            "clew-edges-total": {"description": "Edges of the stored graph.", "required": True, **COUNT},
        },
    }
}

DOWNLOAD: Responses = {
    200: {
        "description": "A file to keep.",
        "content": {
            CLEW: {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": {"type": "object"}},
            "text/html": {"schema": {"type": "string"}},
        },
        "headers": {
            "content-disposition": {
                "description": "The file's name.",
                "required": True,
                "schema": {"type": "string"},
            }
        },
    }
}


@router.get("/graphs/{graph}/arrays", response_class=Response, responses={**ARRAYS, **NOT_FOUND})
def arrays(served: Served, graph: GraphId) -> Response:
    """The graph for a page: itself, or where it is too large its most influential part."""
    opened = served.library.opened(graph)
    content = bytes_for_page(opened, served.library.path_of(graph), served.library.limits)
    totals = {
        "clew-nodes-total": str(opened.graph.n_nodes),
        "clew-edges-total": str(opened.graph.n_edges),
    }
    return Response(content, media_type=CLEW, headers={**totals, "cache-control": "private, no-cache"})


@router.get(
    "/graphs/{graph}/export", response_class=Response, responses={**DOWNLOAD, **NOT_FOUND, **CONFLICT}
)
def export_graph(
    served: Served,
    graph: GraphId,
    format: Annotated[Format, Query(description="`html` is one file that opens anywhere.")],
) -> Response:
    """The graph as a file, with its annotations."""
    name, content = export(served, graph, format)
    disposition = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, headers={"content-type": TYPES[format], **disposition})


@router.get("/graphs/{graph}/nodes/{node}/edges", response_model=Edges, responses=NOT_FOUND)
def edges(
    served: Served,
    graph: GraphId,
    node: Annotated[str, Path(max_length=100, description="A node's id.")],
    direction: Annotated[Literal["in", "out"], Query()],
    count: Annotated[int, Query(ge=1, le=10_000)] = 200,
) -> dict[str, Any]:
    """Edges into or out of a node of the stored (whole) graph, the strongest first."""
    return edges_of(served.library.opened(graph), node, direction, count)
