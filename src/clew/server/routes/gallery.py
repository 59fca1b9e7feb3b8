"""Routes to the gallery: list it, and copy one of its graphs into the library."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from clew.errors import ClewError
from clew.gallery.exhibits import exhibit_named, exhibits
from clew.server.errors import RequestError
from clew.server.gallery import open_exhibit
from clew.server.schemas.gallery import GalleryEntry
from clew.server.schemas.library import GraphEntry
from clew.server.state import NOT_FOUND, State

NAME = "^[a-z]+(-[a-z]+)*$"
"""The shape of a name in the gallery."""

router = APIRouter(prefix="/gallery", tags=["gallery"])


@router.get("")
def list_gallery() -> list[GalleryEntry]:
    """The annotated graphs that come with clew, in their order."""
    return [
        GalleryEntry(**{name: getattr(each, name) for name in GalleryEntry.model_fields})
        for each in exhibits()
    ]


@router.post("/{name}", responses=NOT_FOUND)
def open_gallery_graph(
    state: State, name: Annotated[str, Path(description="Name in the gallery.", pattern=NAME)]
) -> GraphEntry:
    """The library's copy of a gallery's graph, with its history; made where the library has none."""
    try:
        exhibit = exhibit_named(name)
    except ClewError as error:
        raise RequestError(404, str(error)) from error
    entry = open_exhibit(state.library, exhibit)
    state.events.publish("library", graph=entry.id, what="added")
    return entry
