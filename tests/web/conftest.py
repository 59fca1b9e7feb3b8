"""One server and one browser for all tests of the page; a context, and mostly a graph, for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, expect, sync_playwright

from clew.graph.graph import Graph
from clew.server.page_files import BUILT
from tests.web.graph_page import GraphPage, Watch
from tests.web.graphs import small_graph
from tests.web.serving import Server

DEBIANS = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PROMPT = "The capital of France is"
SHARED_GRAPHS = Path(__file__).resolve().parents[2].parent / "shared" / "graphs"

expect.set_options(timeout=15_000)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`clew serve`, with a library of its own."""
    if not (BUILT / "index.html").is_file():
        pytest.fail("The page is not built: install clew (`pip install --editable .`), which builds it.")
    server = Server(tmp_path_factory.mktemp("library"))
    yield server
    server.stop()


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Debian's chromium, or Playwright's own."""
    try:
        browser = playwright.chromium.launch(
            executable_path=DEBIANS if DEBIANS.exists() else None, args=ARGUMENTS
        )
    except Error:
        pytest.skip("there is neither /usr/bin/chromium nor Playwright's own browser (playwright install)")
    yield browser
    browser.close()


@pytest.fixture
def watch(server: Server) -> Iterator[Watch]:
    """Fails the test on an error in the console, a refused resource, or a request to another origin."""
    watch = Watch(server)
    yield watch
    watch.check()


@pytest.fixture
def new_context(browser: Browser, watch: Watch) -> Iterator[Callable[..., BrowserContext]]:
    """Another person's browser: its own store, the same server."""
    opened: list[BrowserContext] = []

    def make(seen: bool = True, **options: object) -> BrowserContext:
        size = {"width": 1280, "height": 800}
        context = browser.new_context(**{"viewport": size, "locale": "en-GB", **options})  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        watch.over(context)
        if seen:
            context.add_init_script("try { localStorage.setItem('clew-tour-seen', 'yes') } catch {}")
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()


@pytest.fixture
def context(new_context: Callable[..., BrowserContext]) -> BrowserContext:
    return new_context()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def show(page: Page, server: Server, tmp_path: Path) -> Callable[..., GraphPage]:
    """`show(graph, m="all")`: a graph in the library, and its page open."""

    def open_page(graph: Graph | bytes, name: str = "", **view: object) -> GraphPage:
        id = server.bring(graph, name) if isinstance(graph, bytes) else server.add(graph, tmp_path, name)
        return GraphPage(page, server, id).open(**view)

    return open_page


@pytest.fixture
def small() -> Graph:
    """Some fifty nodes; of a model of its own."""
    return small_graph()


@pytest.fixture(scope="package")
def demo_file(server: Server) -> bytes:
    """The demo graph, traced by the server with the real model, which it keeps."""
    return server.exported(server.done({"kind": "trace", "model": "smollm2", "prompt": PROMPT})["graph"])


@pytest.fixture
def shared_file() -> Callable[[str], bytes]:
    """`shared_file("cold-clt-hp")`: a real graph of Gemma 2 2B, in Neuronpedia's JSON."""

    def read(name: str) -> bytes:
        path = SHARED_GRAPHS / f"{name}.json"
        if not path.exists():
            pytest.skip("the three real graphs are not beside this checkout (folder shared/graphs)")
        return path.read_bytes()

    return read
