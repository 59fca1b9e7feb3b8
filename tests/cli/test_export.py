"""`clew export`: figures of every view, drawn without a browser."""

from __future__ import annotations

import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest

from clew.graph.graph import Graph
from clew.graph.info import BoxPlace
from clew.graph.writer import save
from clew.server.page_files import BUILT
from tests.web.graphs import features_of, small_graph

from .conftest import Run
from .test_errors import refused

pytest.importorskip("py_mini_racer")
pytest.importorskip("resvg_py")
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</style><script>alert("1")</script>&\x00 <'


@pytest.fixture
def graph() -> Graph:
    return small_graph()


@pytest.fixture
def graph_file(graph: Graph, tmp_path: Path) -> Path:
    if not (BUILT / "figure.js").is_file():
        pytest.fail("The page is not built: install clew (`pip install --editable .`), which builds it.")
    nodes = features_of(graph)
    group = {"the mouth": nodes[3:6], HOSTILE: nodes[6:8]}
    return save(graph.annotate(supernodes=group, pins=nodes[:2]), tmp_path / "river.clew")


def texts(path: Path) -> list[str]:
    return [element.text or "" for element in ElementTree.parse(path).iter(f"{SVG}text")]


@pytest.mark.parametrize("view", ["story", "summary", "chosen", "everything"])
def test_every_view_is_drawn_with_its_fonts_and_nothing_that_runs(
    run: Run, graph_file: Path, tmp_path: Path, view: str
):
    path = tmp_path / "figure.svg"
    outcome = run("export", graph_file, path, "--view", view)
    assert (outcome.code, outcome.out) == (0, f"Saved  {path}\n")
    assert any("river" in text for text in texts(path))
    tags = {element.tag.removeprefix(SVG) for element in ElementTree.parse(path).iter()}
    assert tags == {"svg", "style", "rect", "path", "text"}
    style = next(ElementTree.parse(path).iter(f"{SVG}style")).text or ""
    assert "url(data:font/ttf;base64," in style
    assert "http" not in style


def test_places_of_boxes_count_and_themes_differ(run: Run, graph: Graph, tmp_path: Path):
    from dataclasses import replace

    node = features_of(graph)[0]
    drawn = []
    for x in (100, 400):
        placed = graph.annotate(pins=[node])
        places = {"node_places": {node: BoxPlace(x, 100), graph.node_ids[-1]: BoxPlace(0, 0)}}
        moved = replace(placed, annotations=replace(placed.annotations, **places))
        file, figure = save(moved, tmp_path / f"{x}.clew"), tmp_path / f"{x}.svg"
        run("export", file, figure, "--view", "chosen", "--theme", "dark" if x == 100 else "light")
        drawn.append(
            {text.text: float(text.get("x") or 0) for text in ElementTree.parse(figure).iter(f"{SVG}text")}
        )
        assert ("#16171a" in figure.read_text()) == (x == 100)
    shifts = {round(drawn[1][text] - drawn[0][text]) for text in drawn[0].keys() & drawn[1].keys()}
    assert 300 in shifts


def test_pixels_and_pdf(run: Run, graph_file: Path, tmp_path: Path):
    svg, png, pdf = (tmp_path / f"figure.{kind}" for kind in ("svg", "png", "pdf"))
    for path in (svg, png, pdf):
        assert run("export", graph_file, path, "--scale", 3).code == 0
    root = ElementTree.parse(svg).getroot()
    size = [float(root.get(side) or 0) for side in ("width", "height")]
    assert struct.unpack(">II", png.read_bytes()[16:24]) == pytest.approx([3 * side for side in size], abs=3)
    assert pdf.read_bytes().startswith(b"%PDF-1.7")
    assert b"/FontFile2" in pdf.read_bytes()
    assert pdf.read_bytes().endswith(b"%%EOF\n")


def test_what_cannot_be_drawn_is_refused(run: Run, graph: Graph, tmp_path: Path):
    path = save(graph, tmp_path / "river.clew")
    assert "end its name in .svg, .png or .pdf" in refused(run("export", path, tmp_path / "figure.gif"))
    outcome = run("export", path, tmp_path / "figure.svg", "--view", "chosen")
    assert "nothing is chosen; draw another view" in refused(outcome)
