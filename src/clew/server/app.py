"""The whole application: routes, errors as sentences, and the guard in front."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from clew.server.errors import add_error_handlers
from clew.server.events import Events
from clew.server.indexes import Indexes
from clew.server.job_queue import Jobs
from clew.server.job_runner import JobRunner
from clew.server.library import Library
from clew.server.model_cache import ModelCache
from clew.server.page_files import page_router, read_page
from clew.server.routes import annotations, contents, features, gallery, graphs, jobs, models
from clew.server.security import Access, Guard
from clew.server.state import ALWAYS, ServerState
from clew.version import __version__

ABOUT = """\
The API of clew's local web app. Everything is JSON, except graphs (`.clew` files) and the stream of events.
An error is `{"detail": "a sentence"}`. Away from loopback every request needs the token that `clew serve`
printed, as a cookie or as `Authorization: Bearer`.
"""


def make_state(library: Library, models: ModelCache, indexes: Indexes | None = None) -> ServerState:
    """Everything behind the routes; the worker of the jobs starts with the first job."""
    events = Events()
    jobs = Jobs(library.database, events, JobRunner(library, events, models).run)
    return ServerState(library, events, jobs, models, read_page(), indexes or Indexes())


def make_api() -> FastAPI:
    """The API alone, which describes itself; it needs a `ServerState` to answer requests."""
    app = FastAPI(
        title="clew",
        version=__version__,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    api = APIRouter(prefix="/api", responses=ALWAYS)
    for subject in (models, graphs, gallery, contents, features, annotations, jobs):
        api.include_router(subject.router)
    app.include_router(api)
    add_error_handlers(app)
    return app


def make_app(state: ServerState, access: Access) -> Guard:
    """The application, to be run by any ASGI server; the maker of the state closes it afterwards."""
    app = make_api()
    app.state.server = state
    app.include_router(page_router(state.page))
    return Guard(app, access)
