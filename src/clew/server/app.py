"""The whole application: routes, errors as sentences, and the guard in front."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from clew.errors import ClewError
from clew.server.events import Events
from clew.server.indexes import Indexes
from clew.server.job_runner import JobRunner
from clew.server.jobs import Jobs
from clew.server.library import Library
from clew.server.model_cache import ModelCache
from clew.server.page_files import page_router, read_page
from clew.server.routes import annotations, contents, features, graphs, jobs, models
from clew.server.security import Access, Guard
from clew.server.state import ALWAYS, ServerState
from clew.version import __version__

ABOUT = """\
The API of clew's local web app. All of it is JSON, save for graphs (`.clew` files) and the stream of events.
An error is `{"detail": "a sentence"}`. Away from loopback every request needs the token that `clew serve`
printed, as a cookie or as `Authorization: Bearer`.
"""
SLIPS = {
    "unexpected_keyword_argument": "there is no such field",
    "string_unicode": "the text holds half a character (a lone surrogate)",
}
"""Sentences for what pydantic says in its own words."""
WORDS = {
    404: "There is nothing at this address.",
    405: "This address does not know that method.",
}


def make_service(library: Library, kept: ModelCache, indexes: Indexes | None = None) -> ServerState:
    """What routes work with; the worker of the jobs starts with the first one."""
    events = Events()
    jobs = Jobs(library.database, events, JobRunner(library, events, kept).run)
    return ServerState(library, events, jobs, kept, read_page(), indexes or Indexes())


def make_api() -> FastAPI:
    """The API, which needs a `ServerState` before it can answer anything but for its description."""
    app = FastAPI(
        title="clew",
        version=__version__,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    api = APIRouter(prefix="/api", responses=ALWAYS)
    for subject in (models, graphs, contents, features, annotations, jobs):
        api.include_router(subject.router)
    app.include_router(api)
    app.add_exception_handler(ClewError, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _without_route)
    app.add_exception_handler(Exception, _fault)
    return app


def make_app(service: ServerState, access: Access) -> Guard:
    """The application, to be run by any ASGI server; whoever made the service ends it afterwards."""
    app = make_api()
    app.state.service = service
    app.include_router(page_router(service.page))
    return Guard(app, access)


def _problem(status: int, sentence: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"detail": sentence}, status, headers)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    return _problem(getattr(error, "status", 422), str(error))


async def _not_understood(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    slips = error.errors()
    told = [
        f"{'.'.join(map(str, slip['loc']))}: {SLIPS.get(slip['type'], slip['msg'])}" for slip in slips[:3]
    ]
    more = f"; and {len(slips) - 3} more" if len(slips) > 3 else ""
    return _problem(422, f"The request cannot be used: {'; '.join(told)}{more}.")


async def _without_route(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _problem(error.status_code, WORDS.get(error.status_code, f"{error.detail}"), error.headers)


async def _fault(request: Request, error: Exception) -> JSONResponse:
    logging.getLogger("clew.server").error("A request failed", exc_info=error)
    reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    return _problem(500, f"Unexpected {reason}; the terminal says where.")
