"""Routes to the contents of graphs: arrays, exports, edges, summaries, stories, suggestions, comparisons."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import StringConstraints

from clew.graph.feature_table import compare_features
from clew.graph.graph import Graph
from clew.server.export import TYPES, Format, export
from clew.server.open_graphs import bytes_for_page
from clew.server.schemas.base import ID
from clew.server.schemas.graphs import (
    ComparisonAnswer,
    FeatureTableAnswer,
    NodeEdges,
    StoryAnswer,
    SuggestionAnswer,
    SummaryAnswer,
)
from clew.server.state import CONFLICT, NOT_FOUND, GraphId, Responses, ServerState, State

router = APIRouter(tags=["contents"])

MOST_COMPARED = 12
"""Graphs of one table, at most."""

CLEW = {"application/vnd.clew": {"type": "string", "format": "binary"}}
OTHERS = {"application/json": {"type": "object"}, "text/html": {"type": "string"}}


def _file(description: str, schemas: dict[str, Any], headers: dict[str, tuple[str, Any]]) -> Responses:
    """The answer 200 with a file: schemas by media type, and a sentence and a schema for each header."""
    return {
        200: {
            "description": description,
            "content": {media: {"schema": schema} for media, schema in schemas.items()},
            "headers": {
                name: {"description": sentence, "required": True, "schema": schema}
                for name, (sentence, schema) in headers.items()
            },
        }
    }


TOTALS = {
    f"clew-{kind.lower()}-total": (f"{kind} of the stored graph.", {"type": "integer", "minimum": 0})
    for kind in ("Nodes", "Edges")
}
ARRAYS = _file("A `.clew` file.", CLEW, TOTALS)
NAME = {"content-disposition": ("The file's name.", {"type": "string"})}
DOWNLOAD = _file("The file.", CLEW | OTHERS, NAME)


@router.get("/graphs/{graph}/arrays", response_class=Response, responses=ARRAYS | NOT_FOUND)
def arrays(state: State, graph: GraphId) -> Response:
    """The graph as a page gets it: whole, or where it is too large its most influential part."""
    opened = state.library.opened(graph)
    content = bytes_for_page(opened, state.library.path_of(graph), state.library.limits)
    totals = dict(zip(TOTALS, map(str, (opened.graph.n_nodes, opened.graph.n_edges)), strict=True))
    headers = {"content-type": TYPES["clew"], "cache-control": "private, no-cache"}
    return Response(content, headers=totals | headers)


@router.get("/graphs/{graph}/export", response_class=Response, responses=DOWNLOAD | NOT_FOUND | CONFLICT)
def export_graph(
    state: State,
    graph: GraphId,
    format: Annotated[Format, Query(description="`html` is one file that opens anywhere.")],
) -> Response:
    """The graph as a file, with its annotations."""
    name, content = export(state, graph, format)
    disposition = f'attachment; filename="{name}"'
    return Response(content, headers={"content-type": TYPES[format], "content-disposition": disposition})


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


@router.get("/graphs/{graph}/summary", response_model=SummaryAnswer, responses=NOT_FOUND)
def summary(
    state: State, graph: GraphId, node_threshold: Threshold = None, edge_threshold: Threshold = None
) -> dict[str, Any]:
    """The graph in about a dozen named groups; groups that people made stay as they are."""
    return _pruned(state, graph, node_threshold, edge_threshold).summarize().as_json()


@router.get("/graphs/{graph}/story", response_model=StoryAnswer, responses=NOT_FOUND)
def story(
    state: State, graph: GraphId, node_threshold: Threshold = None, edge_threshold: Threshold = None
) -> dict[str, Any]:
    """The graph as a story: its tokens, at most eight named steps, and all else folded and counted."""
    return _pruned(state, graph, node_threshold, edge_threshold).story().as_json()


def _pruned(state: ServerState, graph: str, nodes: float | None, edges: float | None) -> Graph:
    """A graph with what people added to it, pruned where a threshold is given."""
    annotated = state.annotated_graph(graph)
    return annotated if nodes is None and edges is None else annotated.prune(nodes or 1.0, edges or 1.0)


@router.get("/graphs/{graph}/suggestions", response_model=list[SuggestionAnswer], responses=NOT_FOUND)
def suggestions(
    state: State,
    graph: GraphId,
    count: Annotated[int, Query(ge=1, le=100, description="Most of them to list.")] = 12,
) -> list[dict[str, Any]]:
    """Groups that a person may accept or decline."""
    return [each.as_json() for each in state.annotated_graph(graph).suggest_groups(count)]


@router.get("/compare", response_model=ComparisonAnswer, responses=NOT_FOUND)
def comparison(
    state: State,
    left: Annotated[str, Query(pattern=ID, description="Id of a graph.")],
    right: Annotated[str, Query(pattern=ID, description="Id of a graph.")],
) -> dict[str, Any]:
    """Two graphs side by side: nodes and edges of both, and those of one graph alone."""
    return state.annotated_graph(left).compare(state.annotated_graph(right)).as_json()


@router.get("/compare/features", response_model=FeatureTableAnswer, responses=NOT_FOUND)
def feature_table(
    state: State,
    graph: Annotated[
        list[Annotated[str, StringConstraints(pattern=ID)]],
        Query(min_length=2, max_length=MOST_COMPARED, description="Ids of graphs."),
    ],
) -> dict[str, Any]:
    """The features of several graphs in one table, with the influence that each has in each graph."""
    return compare_features([state.annotated_graph(each) for each in graph]).as_json()
