"""What people add to graphs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from clew.server.schemas.annotations import AnnotationPatch, AnnotationsPatched, GraphAnnotations, NodeGroup
from clew.server.state import CONFLICT, NOT_FOUND, GraphId, Served

router = APIRouter(prefix="/graphs/{graph}/annotations", tags=["annotations"], responses=NOT_FOUND)


@router.get("", response_model=GraphAnnotations)
def read_annotations(served: Served, graph: GraphId) -> dict[str, Any]:
    """All annotations of a graph, and the revision that this is."""
    revision, values = served.library.annotations.read(graph, served.library.opened(graph))
    return {"revision": revision, "values": values}


@router.patch("", response_model=AnnotationsPatched, responses=CONFLICT)
def change_annotations(served: Served, graph: GraphId, body: AnnotationPatch) -> dict[str, Any]:
    """Change annotations, all at once; what somebody else changed meanwhile stays, and is told."""
    changes = {
        key: asdict(value) if isinstance(value, NodeGroup) else value for key, value in body.changes.items()
    }
    rows = served.library.annotations
    changed = rows.change(graph, served.library.opened(graph), body.base, changes)
    if changed.wrote:
        shared = any(key.startswith("feature:") for key in changes)
        for other in rows.graphs_with_labels_of(graph) if shared else [graph]:
            served.events.publish("annotations", graph=other, revision=changed.revision)
    return {"revision": changed.revision, "values": changed.values, "conflicts": changed.conflicts}
