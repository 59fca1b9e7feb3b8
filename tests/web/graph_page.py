"""The page of a graph as a person uses it, and a watch for everything that must not happen meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Locator, Page, Request, expect

from tests.web.serving import Server

FOUND_BY_RING = """([wanted]) => {
  const canvas = document.querySelectorAll('.surface > canvas')[1];
  const probe = document.createElement('span');
  probe.style.color = 'var(--accent)';
  document.body.append(probe);
  const accent = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
  probe.remove();
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let [left, right, top, bottom] = [Infinity, -1, Infinity, -1];
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const at = 4 * (y * width + x);
    if (data[at + 3] < 200 || accent.some((value, place) => Math.abs(data[at + place] - value) > 6)) continue;
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  return right < 0 ? null : [(left + right) / 2, (top + bottom) / 2].map((v) => v / devicePixelRatio);
}"""


@dataclass
class Watch:
    """Mistakes on the pages of a context; a test that foresees something names it in `expected`."""

    server: Server
    found: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Listen to all of its pages, and let none of them reach anything but the server."""
        context.route(lambda url: not self._is_own(url), lambda route: route.abort())
        context.on("page", self._listen)

    def _listen(self, page: Page) -> None:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.found.append(f"page: {error}"))
        page.on("dialog", self._close)
        page.on("request", self._see)

    def _close(self, dialog: Dialog) -> None:
        self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _see(self, asked: Request) -> None:
        if not self._is_own(asked.url):
            self.found.append(f"another origin: {asked.url}")

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.found.append(f"console: {said.text} ({said.location.get('url')})")

    def _is_own(self, url: str) -> bool:
        return url.startswith((f"{self.server.origin}/", "data:", "blob:", "file:", "about:"))

    def check(self) -> None:
        wrong = [each for each in self.found if not any(re.search(known, each) for known in self.expected)]
        assert not wrong, "\n".join(wrong)


def wait_until(page: Page, holds: Callable[[], bool], what: str, within: int = 15_000) -> None:
    """Until something outside the page is so (a file, an answer of the server)."""
    for _ in range(within // 50):
        if holds():
            return
        page.wait_for_timeout(50)  # lets the page go on while the server is asked again
    raise AssertionError(f"waited in vain until {what}")


@dataclass
class GraphPage:
    """The page of one graph."""

    page: Page
    server: Server
    id: str

    def open(self, **view: Any) -> GraphPage:
        """Go to the graph: `m` mode, `s` selected ids, `t` tab, `n` and `e` thresholds, as in the address."""
        self.page.goto(f"{self.server.url}/{self.address(**view)}")
        expect(self.page.get_by_role("tab", name="Node")).to_be_visible()
        expect(self.page.get_by_role("tab", name=TABS[view.get("t", "node")], selected=True)).to_be_visible()
        self.painted(view.get("m", "story"))
        return self

    def address(self, **view: Any) -> str:
        said = {key: ",".join(value) if isinstance(value, list) else value for key, value in view.items()}
        return f"#/g/{self.id}" + (f"?{urlencode(said)}" if said else "")

    def painted(self, mode: str) -> None:
        if mode == "all":
            self.page.locator("canvas[data-painted]").wait_for()
        elif mode == "story":
            self.page.get_by_role("group", name="Story of the graph").wait_for()
        elif mode == "summary":
            self.page.get_by_role("group", name="Summary of the graph").wait_for()

    def figure(self, name: str) -> bytes:
        """The file that the menu of figures makes, by the words before its note: `PDF` or `SVG, dark`."""
        self.page.get_by_role("button", name="Draw this view as a figure").click()
        with self.page.expect_download() as download:
            item = self.page.get_by_role("menuitem").filter(has=self.page.get_by_text(name, exact=True))
            item.click()
        assert download.value.suggested_filename.endswith(f".{name[:3].lower()}")
        return download.value.path().read_bytes()

    def reloaded(self) -> GraphPage:
        self.page.reload()
        expect(self.page.get_by_role("tab", name="Node")).to_be_visible()
        return self

    # Where things are

    @property
    def surface(self) -> Locator:
        return self.page.get_by_role("application")

    @property
    def details(self) -> Locator:
        return self.page.get_by_role("complementary", name="Details")

    @property
    def card(self) -> Locator:
        """The card beside the pointer."""
        return self.page.locator(".card")

    @property
    def spoken(self) -> Locator:
        """The words of a screen reader for the selected node."""
        return self.page.locator("#spoken-node")

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def mode(self, name: str) -> None:
        self.page.get_by_role("group", name="View").get_by_role("button", name=name).click()

    def node_slider(self) -> Locator:
        return self.page.get_by_role("slider", name="Node threshold")

    def edge_slider(self) -> Locator:
        return self.page.get_by_role("slider", name="Edge threshold")

    def place_of(self, node: str) -> tuple[float, float]:
        """The place of a node on the window: it is selected for a moment, and its ring looked for."""
        before = self.page.evaluate("location.hash")
        path, _, query = before.partition("?")
        view = {key: value for key, value in parse_qsl(query) if key != "s"}
        self._enter(f"{path}?{urlencode({**view, 's': node})}")
        expect(self.page.get_by_label("Selected node")).to_be_visible()
        found = self.page.wait_for_function(FOUND_BY_RING, arg=[node]).json_value()
        box = self.surface.bounding_box()
        assert box
        self._enter(before)
        return box["x"] + found[0], box["y"] + found[1]

    def look(self, **view: Any) -> None:
        """Enter another address of the same graph."""
        self._enter(self.address(**view))

    def _enter(self, address: str) -> None:
        """Resolves when the page has painted what the address says."""
        self.page.evaluate(
            """(address) => new Promise((done) => {
              const painted = () => requestAnimationFrame(() => requestAnimationFrame(done));
              const before = location.hash;
              addEventListener("hashchange", painted, { once: true });
              location.hash = address;
              if (location.hash === before) painted();
            })""",
            address,
        )

    # What a person does

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def group_as(self, name: str) -> None:
        """Give the name that is asked for."""
        self.page.get_by_role("textbox", name="Name of the group").fill(name)
        self.press("Enter")

    # What is kept

    def saved(self) -> dict[str, Any]:
        """The stored annotations, once nothing is on its way any more."""
        wait_until(
            self.page,
            lambda: self.details.locator(".saving").inner_text() == "",
            "everything is saved",
        )
        return self.server.values(self.id)

    def saved_once(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        wait_until(self.page, lambda: holds(self.server.values(self.id)), "the annotations are stored")
        return self.server.values(self.id)


TABS = {"node": "Node", "groups": "Groups", "paths": "Paths", "test": "Test", "about": "About"}
