"""Measure the page in a real browser, drawn by software, and write docs/page_speed.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page, sync_playwright

from clew.graph.file import save
from clew.graph.graph import Graph
from tests.web.conftest import ARGUMENTS, DEBIANS, PROMPT
from tests.web.graphs import large_graph
from tests.web.serving import Server

OPENINGS, MOVES, STEPS, FRAMES = 5, 120, 40, 60
WINDOW = {"width": 1280, "height": 800}
TARGETS = {"open": 3000, "hover": 16, "slider": 100, "frame": 16}
"""Milliseconds; a frame of 60 in a second has 16."""

# From the event to the end of the frame in which the page shows its answer: the task after the next frame.
PAINTED = """
  window.painted = (begin) => new Promise((done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now() - begin);
    channel.port2.postMessage(0);
  }));
"""
# Time that the answer itself takes: handlers, what follows from them, layout and painting, without waiting
# for the screen's clock.
MOVE = """async ([places]) => {
  const surface = document.querySelector('.surface'), box = surface.getBoundingClientRect(), took = [];
  for (const [x, y] of places) {
    await new Promise(requestAnimationFrame);
    const begin = performance.now();
    surface.dispatchEvent(new PointerEvent('pointermove', { bubbles: true,
      clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
    await painted(begin).then((time) => took.push(time));
  }
  return took;
}"""
SLIDE = """async ([steps]) => {
  const slider = document.querySelector('input[type=range]'), took = [];
  for (let step = 0; step < steps; step++) {
    await new Promise(requestAnimationFrame);
    const begin = performance.now();
    slider.value = 30 + 60 * Math.abs(Math.sin(step));
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await painted(begin).then((time) => took.push(time));
  }
  return took;
}"""
WHEEL = """async ([frames, pans]) => {
  const surface = document.querySelector('.surface'), box = surface.getBoundingClientRect(), took = [];
  const at = (x, y) => ({ bubbles: true, cancelable: true, view: window, button: 0, buttons: 1,
    clientX: box.left + x, clientY: box.top + y });
  if (pans) surface.dispatchEvent(new MouseEvent('mousedown', at(400, 300)));
  for (let frame = 0; frame < frames; frame++) {
    await new Promise(requestAnimationFrame);
    const begin = performance.now();
    if (pans) window.dispatchEvent(new MouseEvent('mousemove',
      at(400 + 80 * Math.sin(frame / 5), 300 + 40 * Math.cos(frame / 5))));
    else surface.dispatchEvent(new WheelEvent('wheel',
      { ...at(500, 300), deltaY: frame < frames / 2 ? -40 : 40 }));
    await painted(begin).then((time) => took.push(time));
  }
  if (pans) window.dispatchEvent(new MouseEvent('mouseup', at(400, 300)));
  return took;
}"""


@dataclass(frozen=True)
class Measured:
    """Milliseconds on one graph."""

    name: str
    nodes: int
    edges: int
    opening: list[float]
    summary: list[float]
    hover: list[float]
    slider: list[float]
    zoom: list[float]
    pan: list[float]


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=DEBIANS if DEBIANS.exists() else None, args=ARGUMENTS
        )
        yield browser
        browser.close()


def new_page(browser: Browser) -> Page:
    context = browser.new_context(viewport=WINDOW)
    context.add_init_script("localStorage.setItem('clew-tour-seen', 'yes');" + PAINTED)
    return context.new_page()


def opened(browser: Browser, url: str, shown: str) -> tuple[Page, float]:
    """A page in a browser that knows nothing yet, and the time from its address to its picture."""
    page = new_page(browser)
    page.goto(url, wait_until="commit")
    time = page.wait_for_function(
        f"() => document.querySelector({shown!r}) && painted(0)", polling=10, timeout=120_000
    ).json_value()
    return page, time


def measure(browser: Browser, server: Server, name: str, graph: Graph, folder: Path) -> Measured:
    id = server.bring(save(graph, folder / "measured.clew").read_bytes(), name)
    address = f"{server.url}/#/g/{id}"
    opening, summary = [], []
    for _ in range(OPENINGS):
        page, time = opened(browser, f"{address}?m=all", "canvas[data-painted]")
        opening.append(time)
        page.context.close()
        page, time = opened(browser, address, "g.box")
        summary.append(time)
        page.context.close()
    page, _ = opened(browser, f"{address}?m=all", "canvas[data-painted]")
    page.get_by_role("heading", name="What led there").wait_for()
    places = [[0.1 + 0.8 * (step * 0.618 % 1), 0.2 + 0.6 * (step * 0.382 % 1)] for step in range(MOVES)]
    found = Measured(
        name,
        graph.n_nodes,
        graph.n_edges,
        opening,
        summary,
        hover=page.evaluate(MOVE, [places]),
        slider=page.evaluate(SLIDE, [STEPS]),
        zoom=page.evaluate(WHEEL, [FRAMES, False]),
        pan=page.evaluate(WHEEL, [FRAMES, True]),
    )
    page.context.close()
    return found


def report(cases: list[Measured], browser: str) -> str:
    """The measured cases as Markdown."""
    rows = [
        ("from the address to the link graph (every node)", "open", lambda case: case.opening),
        ("from the address to the summary", "open", lambda case: case.summary),
        ("hover: pointer moved to node shown", "hover", lambda case: case.hover),
        (
            "node threshold: slider moved to graph, scores and counts shown",
            "slider",
            lambda case: case.slider,
        ),
        ("zoom: one step of the wheel", "frame", lambda case: case.zoom),
        ("pan: one move of the mouse", "frame", lambda case: case.pan),
    ]
    lines = []
    for case in cases:
        lines += [
            f"## {case.name}: {case.nodes:,} nodes, {case.edges:,} edges",
            "",
            "| | target | median | worst | |",
            "|---|---|---|---|---|",
        ]
        for what, target, read in rows:
            middle, worst = median(read(case)), max(read(case))
            goal = TARGETS[target]
            verdict = "met" if worst <= goal else "met by the median" if middle <= goal else "**missed**"
            lines.append(f"| {what} | {goal:,} ms | {middle:,.0f} ms | {worst:,.0f} ms | {verdict} |")
        lines.append("")
    return TEMPLATE.format(
        browser=browser,
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        width=WINDOW["width"],
        height=WINDOW["height"],
        openings=OPENINGS,
        moves=MOVES,
        tables="\n".join(lines),
    )


TEMPLATE = """\
# How fast the page is

Measured by `python -m benchmarks.browser` with {browser}, headless and drawing by software (no GPU), in a
window of {width} by {height} pixels; {machine}. Times of opening ({openings} each, with an empty cache) run
from the navigation to the first frame that shows the graph, and contain starting the page, fetching the
graph from `clew serve`, reading and laying it out. Other times run from the event to the end of the next
frame that the browser drew ({moves} moves over the whole graph for hover); waiting for the screen's clock is
part of them, up to one frame of 16 ms.

{tables}"""


def main() -> None:
    with TemporaryDirectory() as temporary, chromium() as browser:
        folder = Path(temporary)
        server = Server(folder / "library")
        try:
            demo = server.done({"kind": "trace", "model": "smollm2", "prompt": PROMPT})["graph"]
            graphs = {
                "A generated graph": large_graph(),
                f'"{PROMPT}" on SmolLM2': server.graph(demo, folder),
            }
            # The traced model is given back before anything is measured.
            server.kill()
            server.restart()
            cases = [measure(browser, server, name, graph, folder) for name, graph in graphs.items()]
        finally:
            server.stop()
        text = report(cases, f"Chromium {browser.version}")
    Path("docs/page_speed.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
