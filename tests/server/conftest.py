"""A server in this process, with a library in a folder of its own, and graph files to bring to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from clew.server.app import make_app, make_state
from clew.server.library import Library
from clew.server.model_cache import ModelCache
from clew.server.page_files import PageFile
from clew.server.security import access_to
from clew.server.state import ServerState
from tests.graph.random_graphs import random_graph

HOME = "http://localhost:8417"
PAGE = {
    "/index.html": PageFile(
        b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8" /><title>clew</title>\n'
        b'<script type="module" crossorigin src="/assets/index-a1b2c3d4.js"></script>\n'
        b'<link rel="stylesheet" crossorigin href="/assets/index-a1b2c3d4.css">\n'
        b'<link rel="icon" href="/clew.svg" type="image/svg+xml" /></head>\n'
        b'<body><div id="app"></div></body></html>',
        "text/html; charset=utf-8",
        keep=False,
    ),
    "/assets/index-a1b2c3d4.js": PageFile(
        b"document.title='</script><!--<script>';", "text/javascript; charset=utf-8", keep=True
    ),
    "/assets/index-a1b2c3d4.css": PageFile(
        b"@font-face{src:url(/assets/sans-a1b2c3d4.woff2)format('woff2')}",
        "text/css; charset=utf-8",
        keep=True,
    ),
    "/assets/sans-a1b2c3d4.woff2": PageFile(b"wOF2", "font/woff2", keep=True),
    "/clew.svg": PageFile(b"<svg/>", "image/svg+xml", keep=False),
}
"""A small page, as its build writes one."""


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = Library(tmp_path / "library")
    yield library
    library.close()


@pytest.fixture
def service(library: Library) -> Iterator[ServerState]:
    """Everything behind the routes, with a small page."""
    service = make_state(library, ModelCache())
    service.page.update(PAGE)
    yield service
    service.jobs.stop()


@pytest.fixture
def client(service: ServerState) -> Iterator[TestClient]:
    """A browser's own page, as far as the server can tell."""
    with TestClient(make_app(service, access_to("127.0.0.1", None)), base_url=HOME) as client:
        yield client


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    """A random graph of 36 features."""
    return random_graph().save(tmp_path / "random.clew")


@pytest.fixture
def graph(client: TestClient, graph_file: Path) -> str:
    """Its id, once it is in the library."""
    return brought(client, graph_file)["id"]


def brought(client: TestClient, path: Path, **query: str) -> dict[str, Any]:
    answer = client.post("/api/graphs", content=path.read_bytes(), params=query)
    assert answer.status_code == 201, answer.text
    return answer.json()


def sentence(answer: Any, status: int) -> str:
    """The sentence that refuses a request."""
    assert answer.status_code == status, answer.text
    return answer.json()["detail"]
