"""The built page: read once and served from memory by name, so that no request ever names a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.responses import PlainTextResponse

BUILT = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}
"""Types of the page's files by suffix; other files do not belong to it."""
HASHED = re.compile(r".+-[A-Za-z0-9_-]{8}\.[a-z0-9]+")
NOT_BUILT = (
    "The page is not built, so there is only the API (/api/openapi.json). Install clew from its wheel, or "
    "run pip install . in the checkout, which builds the page.\n"
)


@dataclass(frozen=True)
class PageFile:
    """One file of the page."""

    content: bytes
    type: str
    keep: bool
    """True where browsers may keep it, because its name changes with its content."""


def read_page(folder: Path = BUILT) -> dict[str, PageFile]:
    """Every file of the built page by its address (`/assets/index-3f2a.js`); empty where none is built."""
    return {
        f"/{path.relative_to(folder).as_posix()}": PageFile(
            path.read_bytes(), TYPES[path.suffix], HASHED.fullmatch(path.name) is not None
        )
        for path in (sorted(folder.rglob("*")) if folder.is_dir() else [])
        if path.is_file() and path.suffix in TYPES
    }


def page_router(files: Mapping[str, PageFile]) -> APIRouter:
    """Routes to the files; `/` without a built page answers with a sentence."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/{name:path}", methods=["GET", "HEAD"])
    def page_file(request: Request, name: str) -> Response:
        file = files.get("/index.html" if name == "" else f"/{name}")
        if file is None and name == "":
            return PlainTextResponse(NOT_BUILT, 503)
        if name == "api" or name.startswith("api/"):
            raise HTTPException(404)
        if file is None:
            return PlainTextResponse("There is nothing at this address; the page is at /.\n", 404)
        caching = "public, max-age=31536000, immutable" if file.keep else "no-cache"
        content = file.content if request.method == "GET" else b""
        return Response(content, headers={"content-type": file.type, "cache-control": caching})

    return router
