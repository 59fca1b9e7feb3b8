"""A graph's view as a figure, drawn without a browser by the page's own script."""

from __future__ import annotations

import base64
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.graph.writer import save
from clew.server.page_files import BUILT

View = Literal["story", "summary", "chosen", "everything"]
Theme = Literal["light", "dark"]
FORMATS = ".svg", ".png", ".pdf"
MEMORY = 2 << 30
"""Bytes that the script may take."""
SECONDS = 120
NEEDED = 'Figures need two packages that are not installed; install them with pip install "clew[figures]".'


@dataclass(frozen=True)
class Figure:
    """A drawn figure."""

    content: bytes
    lacking: str
    """Characters that the figure's fonts do not have."""


def check_figure(path: Path) -> None:
    """Raise `ClewError` for a name that ends in no known suffix."""
    if path.suffix.lower() not in FORMATS:
        what = path.suffix or "a file without a suffix"
        raise ClewError(f"A figure cannot be written as {what}; end its name in .svg, .png or .pdf.")


def draw(graph: Graph, path: Path, view: View, theme: Theme, scale: float) -> Figure:
    """The figure for a path, of a pruned graph as the page shows it.

    `scale` is the pixels of a PNG for each pixel of the page. Raises `ClewError` for a suffix that is not in
    `FORMATS`, a view with nothing in it, and where the page or the extra `figures` is not installed.
    """
    check_figure(path)
    suffix = path.suffix.lower()
    notes = graph.annotations
    if view == "chosen" and not (notes.pins or notes.supernodes):
        raise ClewError("The graph has no pins and no supernodes, so nothing is chosen; draw another view.")
    with tempfile.TemporaryDirectory(prefix="clew-") as folder:
        content = save(graph, Path(folder) / "graph.clew").read_bytes()
    request = {
        "graph": base64.b64encode(content).decode(),
        "view": view,
        "theme": theme,
        "format": "pdf" if suffix == ".pdf" else "svg",
        "story": graph.story().as_json() if view == "story" else None,
        "summary": graph.summarize().as_json() if view == "summary" else None,
        "labels": {
            name: {"text": label.text, "source": "tokens" if label.by_rule else "person"}
            for name, label in graph.index_labels.items()
        },
    }
    engine = _engine()
    drawn = json.loads(engine.call("drawFigure", json.dumps(request), timeout_sec=SECONDS, max_memory=MEMORY))
    if suffix == ".pdf":
        return Figure(base64.b64decode(drawn["content"]), drawn["lacking"])
    if suffix == ".svg":
        return Figure(drawn["content"].encode(), drawn["lacking"])
    fonts = [base64.b64decode(font) for font in json.loads(engine.call("fontFiles"))]
    return Figure(_pixels(drawn["content"], fonts, scale), drawn["lacking"])


def _engine() -> Any:
    """The page's script in a JavaScript engine, which can reach neither files nor a network."""
    script = BUILT / "figure.js"
    if not script.is_file():
        raise ClewError("The page is not built here, so no figure can be drawn. Install clew from its wheel.")
    try:
        from py_mini_racer import MiniRacer
    except ImportError:
        raise ClewError(NEEDED) from None
    engine = MiniRacer()
    engine.eval(script.read_text("utf-8"))
    return engine


def _pixels(svg: str, fonts: list[bytes], scale: float) -> bytes:
    """An SVG as a PNG, its text set in these fonts, and in the machine's own where they lack a character."""
    try:
        import resvg_py
    except ImportError:
        raise ClewError(NEEDED) from None
    with tempfile.TemporaryDirectory(prefix="clew-") as folder:
        paths = []
        for number, font in enumerate(fonts):
            paths.append(Path(folder) / f"{number}.ttf")
            paths[-1].write_bytes(font)
        files = [str(path) for path in paths]
        return bytes(resvg_py.svg_to_bytes(svg_string=svg, font_files=files, zoom=scale))
