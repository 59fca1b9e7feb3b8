"""The server itself, the models of this machine, and a quick look at a prompt."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from clew.model.ready_models import ReadyModel, ready_models
from clew.model.short_names import NAMED_MODELS
from clew.server.errors import RequestError
from clew.server.prompt_preview import preview_prompt
from clew.server.schemas.models import ListedModel, Preview, PreviewRequest, ServerInfo
from clew.server.state import CONFLICT, Served
from clew.version import __version__

router = APIRouter(tags=["models"])


@router.get("/info", response_model=ServerInfo)
def info(served: Served) -> dict[str, Any]:
    """Version, library, limits, and which model is loaded."""
    return {
        "version": __version__,
        "library": str(served.library.folder),
        "limits": served.library.limits,
        "model": {"loaded": served.kept.loaded},
    }


@router.get("/models", response_model=list[ListedModel])
def models() -> list[dict[str, Any]]:
    """The models that are ready on this machine, then those that clew knows how to bring."""
    listed = [
        {
            "name": model.folder.name if model.origin == "cache" and model.folder else model.name,
            "reference": model.name,
            "note": _note(model),
            "ready": model.ready,
        }
        for model in ready_models()
    ]
    return sorted(listed, key=lambda model: not model["ready"])


def _note(model: ReadyModel) -> str:
    """What it is; and of one that is missing, what brings it."""
    known = NAMED_MODELS.get(model.name)
    terms = known.terms if known and not model.ready else ""
    return " · ".join(fact for fact in (model.description, model.licence, model.command, terms) if fact)


@router.post("/look", response_model=Preview, responses=CONFLICT)
def preview(served: Served, body: PreviewRequest) -> Preview:
    """Tokens and likeliest next tokens of a prompt, from the loaded model."""
    model = served.kept.ready({"model": body.model, "dictionary": body.dictionary})
    if model is None:
        raise RequestError(
            409, f"The model {body.model!r} with {body.dictionary!r} is not loaded; load it first."
        )
    return preview_prompt(model, body.prompt, body.sink)
