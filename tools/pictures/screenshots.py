"""Photograph the page's main views, light and dark, into docs/screenshots."""

from __future__ import annotations

import base64
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.sync_api import Browser, Page, expect

from benchmarks.page_speed import WINDOW, chromium
from clew.graph.graph import Graph, NodeKind
from tests.web.conftest import PROMPT
from tests.web.serving import Server
from tools.pictures.palette_png import palette_png

FOLDER = Path("docs/screenshots")
OTHER = "The capital of Germany is"
READ = """async (png) => {
  const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const canvas = new OffscreenCanvas(picture.width, picture.height), context = canvas.getContext('2d');
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, picture.width, picture.height);
  let text = '';
  for (let at = 0; at < data.length; at += 30000)
    text += String.fromCharCode(...data.subarray(at, at + 30000));
  return btoa(text);
}"""
SWAP = 120_000
"""Milliseconds within which a model is loaded and swapped at several strengths."""
EXAMPLES = ["The opposite of hot is", "The chemical symbol for gold is"]


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary, chromium() as browser:
        server = Server(Path(temporary) / "library")
        try:
            graphs = [traced(server, prompt) for prompt in [*EXAMPLES, OTHER]]
            graphs.append(server.api.post("/gallery/capital").json()["id"])
            node = strongest_feature(server.graph(graphs[-1], Path(temporary)))
            for theme in ["light", "dark"]:
                photograph_all(browser, server, graphs, node, theme)
        finally:
            server.stop()


def traced(server: Server, prompt: str) -> str:
    return server.done({"kind": "trace", "model": "smollm2", "prompt": prompt})["graph"]


def strongest_feature(graph: Graph) -> str:
    """The most influential feature in the upper half of the layers."""
    nodes = graph.of_kind(NodeKind.FEATURE)
    nodes = nodes[graph.node_layer[nodes] > graph.n_layers // 2]
    return graph.node_id(nodes[graph.node_influence[nodes].argmax()])


def photograph_all(browser: Browser, server: Server, graphs: list[str], node: str, theme: str) -> None:
    other, graph = graphs[-2:]
    context = browser.new_context(viewport=WINDOW, color_scheme=theme)  # type: ignore[arg-type]
    context.add_init_script("localStorage.setItem('clew-tour-seen', 'yes')")
    page = context.new_page()

    def show(address: str) -> None:
        page.goto("about:blank")
        page.goto(f"{server.url}/#/{address}")

    show("")
    expect(page.get_by_role("row")).to_have_count(1 + len(graphs))
    photograph(page, "library", theme)
    show(f"g/{graph}")
    page.get_by_role("group", name="Story of the graph").wait_for()
    photograph(page, "story", theme)
    page.get_by_role("button", name="Does it matter?").click()
    swap = page.get_by_label("Does it matter?", exact=True)
    swap.get_by_role("group", name="Strength of the swap").wait_for(timeout=SWAP)
    photograph(page, "swap", theme)
    show(f"g/{graph}?m=all&n=0.8&e=0.9&s={node}")
    page.locator("canvas[data-painted]").wait_for()
    photograph(page, "everything", theme)
    show(f"g/{graph}?t=node&s={node}")
    page.get_by_role("group", name="Story of the graph").wait_for()
    page.get_by_role("group", name="Fires on").get_by_role("listitem").first.wait_for()
    photograph(page, "meaning", theme)
    show(f"g/{graph}?m=chosen&t=groups")
    page.get_by_role("group", name="The pinned and grouped nodes").wait_for()
    photograph(page, "chosen", theme)
    show(f"compare/{graph}/{other}")
    page.get_by_role("table", name="Nodes").wait_for()
    photograph(page, "compare", theme)
    show("new")
    page.get_by_role("textbox", name="Prompt").fill(PROMPT)
    expect(page.get_by_role("region", name="Next tokens")).to_contain_text("Paris")
    photograph(page, "new-graph", theme)
    context.close()


def photograph(page: Page, name: str, theme: str) -> None:
    page.mouse.move(2, 2)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shot = page.screenshot(animations="disabled", caret="hide")
    (FOLDER / f"{name}-{theme}.png").write_bytes(palette_png(pixels_of(page, shot)))


def pixels_of(page: Page, png: bytes) -> np.ndarray:
    """The browser itself knows how to read its pictures."""
    reader = page.context.new_page()
    text = reader.evaluate(READ, base64.b64encode(png).decode())
    reader.close()
    pixels = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    return pixels.reshape(WINDOW["height"], WINDOW["width"], 4)[..., :3]


if __name__ == "__main__":
    main()
