"""Routes to the contents of graphs: arrays, exports, edges, summaries, suggestions, comparisons."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from clew.graph.graph import Graph
from clew.graph.summary import Summary as GraphSummary
from clew.server.export import TYPES, Format, export
from clew.server.page_graph import bytes_for_page
from clew.server.schemas.base import ID
from clew.server.schemas.graphs import Comparison, NodeEdges, Suggestion, Summary
from clew.server.state import CONFLICT, NOT_FOUND, GraphId, Responses, State

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
        "description": "The file.",
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
def arrays(state: State, graph: GraphId) -> Response:
    """The graph as a page gets it: whole, or where it is too large its most influential part."""
    opened = state.library.opened(graph)
    content = bytes_for_page(opened, state.library.path_of(graph), state.library.limits)
    totals = {
        "clew-nodes-total": str(opened.graph.n_nodes),
        "clew-edges-total": str(opened.graph.n_edges),
    }
    return Response(content, media_type=CLEW, headers={**totals, "cache-control": "private, no-cache"})


@router.get(
    "/graphs/{graph}/export", response_class=Response, responses={**DOWNLOAD, **NOT_FOUND, **CONFLICT}
)
def export_graph(
    state: State,
    graph: GraphId,
    format: Annotated[Format, Query(description="`html` is one file that opens anywhere.")],
) -> Response:
    """The graph as a file, with its annotations."""
    name, content = export(state, graph, format)
    disposition = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, headers={"content-type": TYPES[format], **disposition})


@router.get("/graphs/{graph}/nodes/{node}/edges", responses=NOT_FOUND)
def edges(
    state: State,
    graph: GraphId,
    node: Annotated[str, Path(max_length=100, description="Id of the node.")],
    direction: Annotated[Literal["in", "out"], Query(description="Edges into the node, or out of it.")],
    count: Annotated[int, Query(ge=1, le=10_000, description="Most of them to list.")] = 200,
) -> NodeEdges:
    """Edges into or out of a node of the stored (whole) graph, strongest first."""
    return state.library.opened(graph).edges_of(node, direction, count)


Threshold = Annotated[float | None, Query(gt=0, le=1, description="Threshold of a pruning before.")]


@router.get("/graphs/{graph}/summary", response_model=Summary, responses=NOT_FOUND)
def summary(
    state: State, graph: GraphId, node_threshold: Threshold = None, edge_threshold: Threshold = None
) -> dict[str, Any]:
    """The graph in about a dozen named groups; groups that people made stay as they are."""
    return summarized(state.annotated_graph(graph), node_threshold, edge_threshold).as_json()


@router.get("/graphs/{graph}/suggestions", response_model=list[Suggestion], responses=NOT_FOUND)
def suggestions(
    state: State,
    graph: GraphId,
    count: Annotated[int, Query(ge=1, le=100, description="Most of them to list.")] = 12,
) -> list[dict[str, Any]]:
    """Groups that a person may accept or decline."""
    return [each.as_json() for each in state.annotated_graph(graph).suggest_groups(count)]


@router.get("/compare", response_model=Comparison, responses=NOT_FOUND)
def comparison(
    state: State,
    left: Annotated[str, Query(pattern=ID, description="Id of a graph.")],
    right: Annotated[str, Query(pattern=ID, description="Id of a graph.")],
) -> dict[str, Any]:
    """Two graphs side by side: nodes and edges of both, and those of one graph alone."""
    return state.annotated_graph(left).compare(state.annotated_graph(right)).as_json()


def summarized(graph: Graph, node_threshold: float | None, edge_threshold: float | None) -> GraphSummary:
    """The summary of a graph that is pruned first where a threshold is given."""
    if node_threshold is not None or edge_threshold is not None:
        graph = graph.prune(node_threshold or 1.0, edge_threshold or 1.0)
    return graph.summarize()
