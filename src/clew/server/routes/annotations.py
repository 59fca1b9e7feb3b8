"""Routes to annotations."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from clew.server.schemas.annotations import (
    AnnotationPatch,
    AnnotationsPatched,
    GraphAnnotations,
    NodeGroup,
    PlaceOfBox,
)
from clew.server.state import CONFLICT, NOT_FOUND, GraphId, State

router = APIRouter(prefix="/graphs/{graph}/annotations", tags=["annotations"], responses=NOT_FOUND)


@router.get("")
def read_annotations(state: State, graph: GraphId) -> GraphAnnotations:
    """All annotations of a graph, and their revision."""
    revision, values = state.library.annotations.read(graph, state.library.opened(graph))
    return GraphAnnotations(revision=revision, values=values)


@router.patch("", responses=CONFLICT)
def change_annotations(state: State, graph: GraphId, body: AnnotationPatch) -> AnnotationsPatched:
    """Change annotations, all at once, except those that somebody else changed meanwhile."""
    changes = {
        key: asdict(value) if isinstance(value, NodeGroup | PlaceOfBox) else value
        for key, value in body.changes.items()
    }
    rows = state.library.annotations
    outcome, wrote = rows.change(graph, state.library.opened(graph), body.base, changes)
    if wrote:
        shared = any(key.startswith("feature:") for key in changes)
        for other in rows.graphs_with_labels_of(graph) if shared else [graph]:
            state.events.publish("annotations", graph=other, revision=outcome.revision)
    return outcome
