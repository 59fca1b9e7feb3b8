"""Taking graphs away: every format, pictures, and one file that shows the same without a server."""

from __future__ import annotations

import json
import re
import struct
from xml.etree import ElementTree

import pytest
from playwright.sync_api import expect

from clew.graph.reader import open_graph
from tests.web.graph_page import GraphPage
from tests.web.graphs import features_of
from tests.web.serving import Server

WHOLE = {"m": "all", "n": "1", "e": "1"}


def annotated(opened, graph):
    """Some of everything that a person may add; the stored document."""
    nodes = features_of(graph)
    opened.server.annotate(
        opened.id,
        {
            f"feature:{graph.feature_name(graph.node_ids.index(nodes[0]))}": "where rivers end",
            f"label:{nodes[1]}": "here alone",
            f"pin:{nodes[2]}": True,
            "group:a": {"name": "delta", "members": nodes[3:6], "color": "#0072b2"},
        },
    )
    opened.reloaded()
    return opened.server.values(opened.id)


def downloaded(opened, name, tmp_path):
    """The file that the menu's item of this name downloads."""
    opened.page.get_by_role("button", name="Export this graph").click()
    with opened.page.expect_download() as download:
        opened.page.get_by_role("menuitem", name=name).click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def plain(values):
    """Groups without their ids, which are made anew."""
    return {key: value for key, value in values.items() if not key.startswith("group:")}, [
        value for key, value in values.items() if key.startswith("group:")
    ]


def test_a_clew_file_brings_everything_to_a_fresh_library(show, small, tmp_path):
    opened: GraphPage = show(small)
    values = annotated(opened, small)
    path = downloaded(opened, "clew file", tmp_path)
    graph = open_graph(path)
    assert graph.annotations.feature_labels
    assert dict(graph.annotations.supernode_colors) == {"delta": "#0072b2"}
    other = Server(tmp_path / "another library")
    try:
        id = other.bring(path.read_bytes())
        assert plain(other.values(id)) == plain(values)
        assert other.graph(id, tmp_path).node_ids == small.node_ids
    finally:
        other.stop()


def test_neuronpedia_json_is_read_by_the_library_again(show, small, tmp_path, server):
    opened: GraphPage = show(small)
    annotated(opened, small)
    path = downloaded(opened, "Neuronpedia JSON", tmp_path)
    assert json.loads(path.read_text())["metadata"]["prompt"] == small.info.prompt
    assert server.graph(server.bring(path.read_bytes()), tmp_path).n_edges == small.n_edges


def test_one_html_file_shows_the_same_without_a_server(show, small, tmp_path, new_context):
    opened: GraphPage = show(small)
    annotated(opened, small)
    story = opened.page.get_by_role("group", name="Story of the graph")
    story.wait_for()
    boxes = sorted(box.get_attribute("aria-label") or "" for box in story.get_by_role("button").all())
    path = downloaded(opened, "Web page", tmp_path)
    away = new_context(offline=True).new_page()
    away.goto(path.as_uri())
    story = away.get_by_role("group", name="Story of the graph")
    story.wait_for()
    assert sorted(box.get_attribute("aria-label") or "" for box in story.get_by_role("button").all()) == boxes
    away.keyboard.press("2")
    away.locator("canvas[data-painted]").wait_for()
    expect(away.get_by_text(f"{small.size.features} features")).to_be_visible()
    away.get_by_role("combobox", name="Search nodes").fill("where rivers end")
    away.keyboard.press("Enter")
    expect(away.get_by_role("heading", name="where rivers end")).to_be_visible()
    away.get_by_role("tab", name="Groups").click()
    expect(away.get_by_role("group", name="Group delta")).to_be_visible()
    away.get_by_role("tab", name="Test").click()
    expect(away.get_by_text("This file has no model")).to_be_visible()


def test_the_page_of_the_default_graph_is_under_three_megabytes(server):
    graph = server.api.post("/gallery/capital").json()["id"]
    assert len(server.exported(graph, "html")) < 3_000_000


def test_the_exported_file_can_be_explored_and_its_paths_read(show, small, tmp_path, new_context, server):
    id = show(small).id
    path = tmp_path / "alone.html"
    path.write_bytes(server.exported(id, "html"))
    away = new_context(offline=True).new_page()
    away.goto(path.as_uri())
    away.get_by_role("group", name="Story of the graph").wait_for()
    away.keyboard.press("p")
    expect(away.get_by_label("Paths", exact=True).locator("ol > li").first).to_be_visible()


@pytest.mark.parametrize("mode", ["story", "all", "chosen"])
def test_figures_of_every_view(show, small, tmp_path, mode):
    opened: GraphPage = show(small, m=mode)
    annotated(opened, small)
    opened.painted(mode)
    svg, dark = (opened.figure(name).decode() for name in ("SVG", "SVG, dark"))
    root = ElementTree.fromstring(svg)
    size = [float(root.get(side) or 0) for side in ("width", "height")]
    assert "river" in svg
    assert "<script" not in svg
    assert not re.findall(r"url\((?!data:)|href", svg)
    assert "@font-face" in svg
    assert [re.findall(r'fill="(#\w+)"', text)[0] for text in (svg, dark)] == ["#ffffff", "#16171a"]
    png, pdf = opened.figure("PNG, 2x"), opened.figure("PDF")
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == pytest.approx([2 * side for side in size], abs=1)
    assert pdf.startswith(b"%PDF-1.7")
    assert b"/FontFile2" in pdf
    box = re.search(rb"/MediaBox\[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert box
    assert [float(side) / 0.75 for side in box.groups()] == pytest.approx(size, abs=0.02)


def test_the_export_menu_by_keyboard(show, small, tmp_path):
    opened: GraphPage = show(small)
    opened.page.get_by_role("button", name="Export this graph").focus()
    opened.press("Enter")
    items = opened.page.get_by_role("menuitem")
    expect(items.first).to_be_focused()
    opened.press("ArrowDown")
    expect(items.nth(1)).to_be_focused()
    opened.press("Escape")
    expect(items).to_have_count(0)
    expect(opened.page.get_by_role("button", name="Export this graph")).to_be_focused()
