"""Routes to the meaning of features: example texts, labels, and search."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Path, Query

from clew.errors import ClewError
from clew.feature import Feature
from clew.index.labels.graph_features import features_of, labels_of, sink_note
from clew.index.storage.record import FeatureRecord
from clew.server.errors import RequestError
from clew.server.schemas.features import FeatureRecordAnswer, GraphIndex, LabelNow, LabelText, TextHit
from clew.server.state import NOT_FOUND, GraphId, State

router = APIRouter(prefix="/graphs/{graph}", tags=["features"], responses=NOT_FOUND)

Layer = Annotated[int, Path(ge=0, lt=2**15, description="Layer of the feature, from 0.")]
FeatureIndex = Annotated[int, Path(ge=0, lt=2**31, description="Index of the feature in its layer.")]


@router.get("/index", response_model=GraphIndex)
def index_of_graph(state: State, graph: GraphId) -> dict[str, Any]:
    """The index of a graph's model and dictionary, and its labels of the graph's features."""
    stored = state.library.opened(graph).graph
    try:
        index = state.indexes.of(stored)
        labels = labels_of(stored, index) if index else {}
    except ClewError as error:
        return {"index": None, "problem": str(error), "labels": {}, "note": ""}
    note = sink_note(stored, index) if index else ""
    return {"index": index and index.metadata, "problem": None, "labels": labels, "note": note}


@router.get("/features/{layer}/{feature}", response_model=FeatureRecordAnswer)
def feature_record(state: State, graph: GraphId, layer: Layer, feature: FeatureIndex) -> FeatureRecord:
    """Everything that the index knows of one feature."""
    index = state.indexes.required(state.library.opened(graph).graph)
    return index.feature(layer, feature) or _refuse(Feature(layer, feature))


@router.put("/features/{layer}/{feature}/label")
def label_feature(
    state: State, graph: GraphId, layer: Layer, feature: FeatureIndex, body: LabelText
) -> LabelNow:
    """Label a feature in the index, and so in every graph of its dictionary."""
    stored = state.library.opened(graph).graph
    with state.indexes.writable(stored) as index:
        if Feature(layer, feature) not in index:
            _refuse(Feature(layer, feature))
        label = index.set_label(layer, feature, body.text, "person")
    now = LabelNow.model_validate({"label": label})
    of = {"model": stored.info.model, "dictionary": stored.info.dictionary}
    state.events.publish("label", **of, feature=str(Feature(layer, feature)), **now.model_dump())
    return now


@router.get("/texts")
def search_texts(
    state: State,
    graph: GraphId,
    query: Annotated[str, Query(max_length=500, description="Words; the last one may be unfinished.")],
    count: Annotated[int, Query(ge=1, le=500, description="Most features to list.")] = 50,
) -> list[TextHit]:
    """The features of a graph whose label, tokens or example texts hold all words."""
    stored = state.library.opened(graph).graph
    hits = state.indexes.required(stored).search(query, count, among=features_of(stored))
    return [TextHit(feature=str(hit.feature), snippet=hit.snippet) for hit in hits]


def _refuse(feature: Feature) -> NoReturn:
    raise RequestError(404, f"The index has no feature {feature}.")
