"""Routes to facts about the server, the models of this machine, and the preview of a prompt."""

from __future__ import annotations

from fastapi import APIRouter

from clew.dictionary.short_names import NAMED_DICTIONARIES
from clew.errors import ClewError
from clew.load_settings import LoadSettings
from clew.model.ready_models import ReadyModel, ready_models
from clew.model.short_names import NAMED_MODELS
from clew.server.errors import RequestError
from clew.server.job_runner import references_used
from clew.server.model_cache import check_known, seconds_to_load, settings_of
from clew.server.prompt_preview import preview_prompt
from clew.server.schemas.models import (
    GraphModel,
    ListedModel,
    ModelState,
    Preview,
    PreviewRequest,
    ServerInfo,
    ServerLimits,
)
from clew.server.state import CONFLICT, NOT_FOUND, GraphId, State
from clew.version import __version__

router = APIRouter(tags=["models"])


@router.get("/info")
def info(state: State) -> ServerInfo:
    """The version, the library, limits, and the model in memory."""
    return ServerInfo(
        version=__version__,
        library=str(state.library.folder),
        limits=ServerLimits.model_validate(state.library.limits),
        model=ModelState(loaded=state.models.loaded),
    )


@router.get("/models")
def models() -> list[ListedModel]:
    """The models that are ready on this machine, then those that clew can download."""
    listed = [
        ListedModel(
            name=model.folder.name if model.origin == "cache" and model.folder else model.name,
            reference=model.name,
            note=_note(model),
            ready=model.ready,
            dictionaries=[
                each.name for each in NAMED_DICTIONARIES.values() if each.model == model.name and each.folder
            ],
        )
        for model in ready_models()
    ]
    return sorted(listed, key=lambda model: not model.ready)


def _note(model: ReadyModel) -> str:
    """A description and the licence; for a model that is missing also the command that downloads it."""
    named = NAMED_MODELS.get(model.name)
    terms = named.terms if named and not model.ready else ""
    return " · ".join(fact for fact in (model.description, model.licence, model.command, terms) if fact)


@router.post("/look", responses=CONFLICT)
def preview(state: State, body: PreviewRequest) -> Preview:
    """Tokens and likeliest next tokens of a prompt, from the model in memory."""
    model = state.models.unchanged(LoadSettings(body.model, dictionary=body.dictionary))
    if model is None:
        names = f"{body.model!r} with {body.dictionary!r}"
        raise RequestError(409, f"The model {names} is not loaded; load it first.")
    return preview_prompt(model, body, state.models.notes)


@router.get("/graphs/{graph}/model", responses=NOT_FOUND)
def model_of_graph(state: State, graph: GraphId) -> GraphModel:
    """The model that a graph's features can be changed with, and what it takes to load it."""
    try:
        wanted = settings_of(state.library.opened(graph).graph)
    except RequestError:
        raise
    except ClewError as error:
        return GraphModel(state="elsewhere", model="", dictionary="", seconds=0, reason=str(error))
    names = {"model": str(wanted.reference), "dictionary": str(wanted.dictionary)}
    if state.models.ready(wanted) is not None:
        return GraphModel(state="loaded", **names, seconds=0, reason="")
    seconds = seconds_to_load(wanted)
    try:
        check_known(wanted, references_used(state.library.database))
    except RequestError as error:
        return GraphModel(state="unknown", **names, seconds=seconds, reason=str(error))
    return GraphModel(state="ready", **names, seconds=seconds, reason="")
