"""What features mean: texts on which they fire, and labels."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from clew.errors import ClewError
from clew.index.labels.graph_features import features_of, labels_of
from clew.index.storage import record
from clew.server.errors import RequestError
from clew.server.schemas.features import FeatureRecord, GraphIndex, LabelNow, LabelText, TextHit
from clew.server.state import NOT_FOUND, GraphId, Served

router = APIRouter(prefix="/graphs/{graph}", tags=["features"], responses=NOT_FOUND)

Layer = Annotated[int, Path(ge=0, lt=2**15, description="From 0.")]
Feature = Annotated[int, Path(ge=0, lt=2**31, description="Its index in the layer.")]


@router.get("/index", response_model=GraphIndex)
def index_of_graph(served: Served, graph: GraphId) -> dict[str, Any]:
    """The index of a graph's model and dictionary, and what it calls the graph's features."""
    stored = served.library.opened(graph).graph
    try:
        index = served.indexes.of(stored)
        labels = labels_of(stored, index) if index else {}
    except ClewError as error:
        return {"index": None, "problem": str(error), "labels": {}}
    return {"index": index and index.metadata, "problem": None, "labels": labels}


@router.get("/features/{layer}/{feature}", response_model=FeatureRecord)
def feature(served: Served, graph: GraphId, layer: Layer, feature: Feature) -> record.FeatureRecord:
    """All that the index knows of one feature."""
    index = served.indexes.needed(served.library.opened(graph).graph)
    found = index.feature(layer, feature)
    if found is None:
        raise _no_feature(layer, feature)
    return found


@router.put("/features/{layer}/{feature}/label", response_model=LabelNow)
def label(served: Served, graph: GraphId, layer: Layer, feature: Feature, body: LabelText) -> dict[str, Any]:
    """Call a feature something, in the index and so in every graph of its dictionary."""
    stored = served.library.opened(graph).graph
    with served.indexes.to_label(stored) as index:
        if (layer, feature) not in index:
            raise _no_feature(layer, feature)
        found = index.set_label(layer, feature, body.text, "person")
    now = LabelNow.model_validate({"label": found}).model_dump()
    of = {"model": stored.info.model, "dictionary": stored.info.dictionary}
    served.events.publish("label", **of, feature=f"L{layer}/{feature}", **now)
    return now


@router.get("/texts", response_model=list[TextHit])
def features_by_text(
    served: Served,
    graph: GraphId,
    query: Annotated[str, Query(max_length=500, description="Words; the last one may go on.")],
    count: Annotated[int, Query(ge=1, le=500, description="At most so many.")] = 50,
) -> list[dict[str, str]]:
    """Features of a graph whose label, tokens or example texts hold all words."""
    stored = served.library.opened(graph).graph
    hits = served.indexes.needed(stored).search(query, count, among=features_of(stored))
    return [{"feature": str(hit.feature), "snippet": hit.snippet} for hit in hits]


def _no_feature(layer: int, feature: int) -> RequestError:
    return RequestError(404, f"The index has no feature L{layer}/{feature}.")
