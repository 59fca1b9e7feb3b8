"""What is in a graph: arrays, edges of a node, summary, exports, and two graphs side by side."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from clew.graph.graph import Graph
from clew.graph.summary import Summary as GraphSummary
from clew.server.export import TYPES, Format, export
from clew.server.open_graphs import edges_of
from clew.server.page_graph import bytes_for_page
from clew.server.schemas.base import ID
from clew.server.schemas.graphs import Comparison, NodeEdges, Suggestion, Summary
from clew.server.state import CONFLICT, NOT_FOUND, GraphId, Responses, Served

router = APIRouter(tags=["contents"])

CLEW = "application/vnd.clew"
COUNT = {"schema": {"type": "integer", "minimum": 0}}
ARRAYS: Responses = {
    200: {
        "description": "A `.clew` file.",
        "content": {CLEW: {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            "clew-nodes-total": {"description": "Nodes of the stored graph.", "required": True, **COUNT},
            "clew-edges-total": {"description": "NodeEdges of the stored graph.", "required": True, **COUNT},
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


@router.get("/graphs/{graph}/nodes/{node}/edges", response_model=NodeEdges, responses=NOT_FOUND)
def edges(
    served: Served,
    graph: GraphId,
    node: Annotated[str, Path(max_length=100, description="A node's id.")],
    direction: Annotated[Literal["in", "out"], Query(description="NodeEdges into the node, or out of it.")],
    count: Annotated[int, Query(ge=1, le=10_000, description="At most so many.")] = 200,
) -> dict[str, Any]:
    """NodeEdges into or out of a node of the stored (whole) graph, the strongest first."""
    return edges_of(served.library.opened(graph), node, direction, count)


Threshold = Annotated[float | None, Query(gt=0, le=1, description="Prunes first.")]


@router.get("/graphs/{graph}/summary", response_model=Summary, responses=NOT_FOUND)
def summary(
    served: Served, graph: GraphId, node_threshold: Threshold = None, edge_threshold: Threshold = None
) -> dict[str, Any]:
    """The graph in about a dozen named groups; those that people made are kept as they are."""
    return summarized(served.graph(graph), node_threshold, edge_threshold).as_json()


@router.get("/graphs/{graph}/suggestions", response_model=list[Suggestion], responses=NOT_FOUND)
def suggestions(
    served: Served,
    graph: GraphId,
    count: Annotated[int, Query(ge=1, le=100, description="At most so many.")] = 12,
) -> list[dict[str, Any]]:
    """Groups that a person may accept or decline."""
    return [each.as_json() for each in served.graph(graph).suggest_groups(count)]


@router.get("/compare", response_model=Comparison, responses=NOT_FOUND)
def comparison(
    served: Served,
    left: Annotated[str, Query(pattern=ID, description="A graph's id.")],
    right: Annotated[str, Query(pattern=ID, description="A graph's id.")],
) -> dict[str, Any]:
    """Two graphs side by side: nodes and edges of both, and what is in one of them alone."""
    return served.graph(left).compare(served.graph(right)).as_json()


def summarized(graph: Graph, node_threshold: float | None, edge_threshold: float | None) -> GraphSummary:
    """Pruned first where a threshold is given."""
    if node_threshold is not None or edge_threshold is not None:
        graph = graph.prune(node_threshold or 1.0, edge_threshold or 1.0)
    return graph.summarize()
