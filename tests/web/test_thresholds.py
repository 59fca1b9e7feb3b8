"""Thresholds: sliders that answer while they move, with the scores that Python says."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from clew.graph.graph import Graph
from clew.graph.influence import measure_flow
from clew.graph.pruning import prune, prune_masks
from clew.graph.scores import scores_of_part
from tests.web.graph_page import GraphPage

PAIRS = [(0.8, 0.98), (0.5, 0.8), (0.95, 0.99), (1.0, 1.0)]


def said(page: Page, name: str) -> str:
    """The value beside a name in the bar below."""
    return page.locator("p", has_text=re.compile(rf"^{name} ")).locator("b").inner_text()


def slide(slider, share: float) -> float:
    """Move a slider to a share (it is finer towards 1); the share that it then stands for."""
    slider.fill(str(round(2 * 100 * (1 - (1 - share) ** 0.5)) / 2))
    return float(slider.get_attribute("aria-valuetext").split()[0]) / 100


def assert_scores_of(graph: Graph, page: Page, node: float, edge: float) -> None:
    masks = prune_masks(graph, measure_flow(graph), node, edge)
    expected = scores_of_part(graph, *masks)
    size = prune(graph, node, edge).size
    expect(page.get_by_text(f"{size.features:,} features", exact=True)).to_be_visible()
    expect(page.get_by_text(f"{size.edges:,} edges", exact=True)).to_be_visible()
    assert said(page, "replacement").lstrip("≥ ≤") == f"{expected.replacement:.2f}"
    assert said(page, "completeness").lstrip("≥ ≤") == f"{expected.completeness:.2f}"


@pytest.mark.parametrize("pair", PAIRS)
def test_scores_are_those_of_python_at_the_same_thresholds(show, small, pair):
    opened: GraphPage = show(small, m="all")
    node = slide(opened.node_slider(), pair[0])
    edge = slide(opened.edge_slider(), pair[1])
    assert (node, edge) == pytest.approx(pair, abs=0.02)
    assert_scores_of(small, opened.page, node, edge)


@pytest.mark.parametrize("name", ["cold-clt-hp", "hive-clt-hp", "puppy-clt-hp"])
def test_scores_of_real_graphs_are_those_of_python(show, shared_file, server, tmp_path, name):
    opened: GraphPage = show(shared_file(name), m="all", n="0.8", e="0.98")
    assert_scores_of(server.graph(opened.id, tmp_path), opened.page, 0.8, 0.98)


def test_a_slider_is_moved_with_the_mouse_and_with_keys(show, small):
    opened: GraphPage = show(small, m="all")
    page, slider = opened.page, opened.node_slider()
    edges = page.locator(".bar p").first
    before = edges.inner_text()
    box = slider.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2, steps=6)
    expect(edges).not_to_have_text(before)
    page.mouse.up()
    moved = slider.get_attribute("aria-valuetext")
    slider.press("ArrowRight")
    expect(slider).not_to_have_attribute("aria-valuetext", moved)
    expect(page).to_have_url(re.compile(r"[?&]n=0\.\d+"))


def test_scores_of_the_pinned_nodes_are_those_of_python(show, small, server):
    from tests.web.graphs import features_of

    opened: GraphPage = show(small, m="all", n="1", e="1", s=features_of(small)[:12])
    opened.surface.focus()
    opened.press("Space")
    pins = {small.node_ids.index(key.removeprefix("pin:")) for key in opened.saved_once(bool)}
    assert len(pins) == 12
    part = small.node_kind >= 2
    part[list(pins)] = True
    expected = scores_of_part(small, part)
    chosen = opened.page.locator(".chosen", has_text="chosen")
    expect(chosen).to_have_text(f"chosen {expected.replacement:.2f} / {expected.completeness:.2f}")
