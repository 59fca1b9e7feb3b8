"""Measure the page in a real browser, drawn by software, and write docs/measurements/page_speed.md."""

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

from clew.graph.graph import Graph
from clew.graph.writer import save
from tests.web.conftest import ARGUMENTS, DEBIANS, PROMPT
from tests.web.graphs import large_graph
from tests.web.serving import Server

OPENINGS, MOVES, STEPS = 5, 120, 40
WINDOW = {"width": 1280, "height": 800}
TARGETS = {"open": 3000, "hover": 16, "slider": 100}
"""Milliseconds."""

# Of one answer: [work, shown]. Work is what the page's thread does for it, in the handler and in the frame
# that shows it; shown is the time from the event to the end of that frame, waiting for the screen included.
START = """
  const afterPainting = () => new Promise((done) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  });
  window.painted = () => new Promise((done) => requestAnimationFrame(() => afterPainting().then(() =>
    done(performance.now()))));
  window.answer = async (act) => {
    await new Promise(requestAnimationFrame);
    await afterPainting();
    let frame = 0;
    const shown = new Promise((done) => requestAnimationFrame(() => {
      frame = performance.now();
      afterPainting().then(() => done(performance.now()));
    }));
    const begin = performance.now();
    act();
    await null;
    const handled = performance.now();
    const end = await shown;
    return [handled - begin + end - frame, end - begin];
  };
"""
MOVE = """async (places) => {
  const surface = document.querySelector('.surface'), box = surface.getBoundingClientRect(), took = [];
  for (const [x, y] of places)
    took.push(await answer(() => surface.dispatchEvent(new PointerEvent('pointermove', {
      bubbles: true, clientX: box.left + x * box.width, clientY: box.top + y * box.height }))));
  return took;
}"""
SLIDE = """async (values) => {
  const slider = document.querySelector('input[type=range]'), took = [];
  for (const value of values)
    took.push(await answer(() => {
      slider.value = value;
      slider.dispatchEvent(new Event('input', { bubbles: true }));
    }));
  return took;
}"""
TURN = """async (deltas) => {
  const surface = document.querySelector('.surface'), box = surface.getBoundingClientRect(), took = [];
  for (const deltaY of deltas)
    took.push(await answer(() => surface.dispatchEvent(new WheelEvent('wheel', {
      bubbles: true, cancelable: true, deltaY, clientX: box.left + 500, clientY: box.top + 300 }))));
  return took;
}"""
DRAG = """async (places) => {
  const surface = document.querySelector('.surface'), took = [];
  const at = ([clientX, clientY]) => ({
    bubbles: true, cancelable: true, view: window, button: 0, buttons: 1, clientX, clientY });
  surface.dispatchEvent(new MouseEvent('mousedown', at(places[0])));
  for (const place of places)
    took.push(await answer(() => window.dispatchEvent(new MouseEvent('mousemove', at(place)))));
  window.dispatchEvent(new MouseEvent('mouseup', at(places[0])));
  return took;
}"""

Times = list[list[float]]
"""Milliseconds [work, shown] of each answer."""


@dataclass(frozen=True)
class Measured:
    """Milliseconds on one graph."""

    name: str
    nodes: int
    edges: int
    opening: list[float]
    summary: list[float]
    hover: Times
    slider: Times
    zoom: Times
    pan: Times


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=DEBIANS if DEBIANS.exists() else None, args=ARGUMENTS
        )
        yield browser
        browser.close()


def new_page(browser: Browser) -> Page:
    context = browser.new_context(viewport={"width": WINDOW["width"], "height": WINDOW["height"]})
    context.add_init_script("localStorage.setItem('clew-tour-seen', 'yes');" + START)
    return context.new_page()


def opened(browser: Browser, url: str, shown: str) -> tuple[Page, float]:
    """A page in a browser that knows nothing yet, and the time from its address to its picture."""
    page = new_page(browser)
    page.goto(url, wait_until="commit")
    time = page.wait_for_function(
        f"() => document.querySelector({shown!r}) && painted()", polling=10, timeout=120_000
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
    page.get_by_role("heading", name="Most influential features").wait_for()
    places = [[0.1 + 0.8 * (step * 0.618 % 1), 0.2 + 0.6 * (step * 0.382 % 1)] for step in range(MOVES)]
    found = Measured(
        name,
        graph.n_nodes,
        graph.n_edges,
        opening,
        summary,
        hover=page.evaluate(MOVE, places),
        slider=page.evaluate(SLIDE, [30 + 60 * (step * 0.618 % 1) for step in range(STEPS)]),
        zoom=page.evaluate(TURN, [-40] * (STEPS // 2) + [40] * (STEPS // 2)),
        pan=page.evaluate(DRAG, [[400 + 7 * step % 200, 300 + 5 * step % 90] for step in range(STEPS)]),
    )
    page.context.close()
    return found


def report(cases: list[Measured], browser: str) -> str:
    """The measured cases as Markdown."""
    rows = [
        ("hover: from the pointer to the node's card and edges", "hover", lambda case: case.hover),
        ("node threshold: from the slider to graph, scores and counts", "slider", lambda case: case.slider),
        ("zoom: one step of the wheel", None, lambda case: case.zoom),
        ("pan: one move of the mouse", None, lambda case: case.pan),
    ]
    lines = []
    for case in cases:
        lines += [f"## {case.name}: {case.nodes:,} nodes, {case.edges:,} edges", ""]
        lines += ["| | target | median | worst | |", "|---|---|---|---|---|"]
        for what, times in [("the link graph, every node", case.opening), ("the story", case.summary)]:
            lines.append(_row(f"open {what}", TARGETS["open"], times))
        for what, target, read in rows:
            works = [work for work, _ in read(case)]
            lines.append(_row(what, TARGETS[target] if target else None, works))
        shown = ", ".join(
            f"{what.split(':')[0]} {median(end for _, end in read(case)):.0f} ms" for what, _, read in rows
        )
        lines += ["", f"To the end of the frame that shows it, by the median: {shown}.", ""]
    return TEMPLATE.format(
        browser=browser,
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        width=WINDOW["width"],
        height=WINDOW["height"],
        openings=OPENINGS,
        moves=MOVES,
        tables="\n".join(lines),
    )


def _row(what: str, goal: int | None, times: list[float]) -> str:
    middle, worst = median(times), max(times)
    if goal is None:
        return f"| {what} | | {middle:,.0f} ms | {worst:,.0f} ms | |"
    met = "met" if worst <= goal else "met by the median" if middle <= goal else "**missed**"
    return f"| {what} | {goal:,} ms | {middle:,.0f} ms | {worst:,.0f} ms | {met} |"


TEMPLATE = """\
# Page speed

Measured by `python -m benchmarks.page_speed` with {browser}, headless and drawing by software (no GPU), in a
window of {width} by {height} pixels; {machine}.

Opening ({openings} times, each with an empty cache) runs from the navigation to the end of the first frame
that shows the graph. It contains starting the page, fetching the graph from `clew serve`, reading it and
laying it out. The other rows say how long the page's thread works for one answer, in the handler of the
event and in the frame that shows it ({moves} moves of the pointer over the whole graph). Below each table
is the time until that frame is done, which contains waiting for the screen's clock (up to 17 ms).

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
    Path("docs/measurements/page_speed.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
