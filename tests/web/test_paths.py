"""Paths: the strongest between any two nodes or groups, equal to Python's."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from clew.graph.graph import NodeKind
from clew.graph.paths import strongest_paths
from tests.web.graph_page import GraphPage
from tests.web.graphs import features_of

MINUS = "\N{MINUS SIGN}"
WHOLE = {"m": "all", "n": "1", "e": "1"}


def chooser(opened, end):
    """The field for the beginning ("from") or the end ("to") of paths."""
    label = opened.page.locator(".ends label", has_text=re.compile(rf"^\s*{end}\s"))
    return label.get_by_role("combobox")


def shown_paths(opened):
    """Sign, share and names of each, as they stand on the page."""
    items = opened.page.get_by_label("Paths", exact=True).locator("ol > li")
    expect(items.first).to_be_visible()
    return [
        (
            item.locator(".sign").inner_text(),
            item.locator(".number").inner_text(),
            [name.split("\n")[0] for name in item.locator(".chain > span").all_inner_texts()],
        )
        for item in items.all()
    ]


def percent(share):
    value = 100 * share
    return "<0.1 %" if value < 0.1 else f"{value:.1f} %" if value < 10 else f"{value:.0f} %"


def assert_paths(graph, found, expected):
    assert len(found) == len(expected) > 0
    for (sign, share, names), path in zip(found, expected, strict=True):
        assert sign == ("+" if path.sign > 0 else MINUS)
        assert share == percent(path.share)
        assert len(names) == len(path.nodes)
        for name, node in zip(names, path.nodes, strict=True):
            assert name.startswith(graph.node_name(node)), (name, graph.node_name(node))


def test_what_explains_an_output_is_what_python_says(show, small):
    targets = small.of_kind(NodeKind.TARGET)
    opened: GraphPage = show(small, **WHOLE)
    opened.surface.focus()
    opened.press("p")
    strongest = targets[small.node_activation[targets].argmax()]
    assert_paths(small, shown_paths(opened), strongest_paths(small, target=int(strongest), count=10))
    other = targets[small.node_activation[targets].argmin()]
    chooser(opened, "to").select_option(index=1)
    assert_paths(small, shown_paths(opened), strongest_paths(small, target=int(other), count=10))


def selection_in(chooser):
    """The value of the choice that stands for the selection."""
    return chooser.locator("option", has_text="the selection").get_attribute("value")


def test_paths_from_the_selection_and_from_a_group(show, small, server):
    nodes = [node for node in features_of(small) if node.startswith("0_")][:2]
    indices = [small.node_ids.index(node) for node in nodes]
    targets = small.of_kind(NodeKind.TARGET)
    target = int(targets[small.node_activation[targets].argmax()])
    expected = strongest_paths(small, sources=indices, target=target, count=10)
    opened: GraphPage = show(small, **WHOLE, s=nodes, t="paths")
    begin = chooser(opened, "from")
    begin.select_option(value=selection_in(begin))
    assert_paths(small, shown_paths(opened), expected)
    server.annotate(opened.id, {"group:springs": {"name": "springs", "members": nodes, "color": None}})
    begin.select_option(label="springs")
    assert_paths(small, shown_paths(opened), expected)


def test_more_paths_are_shown_when_asked_for(show, small):
    opened: GraphPage = show(small, **WHOLE, t="paths")
    assert len(shown_paths(opened)) == 10
    opened.page.get_by_role("button", name="More paths").click()
    expect(opened.page.get_by_label("Paths", exact=True).locator("ol > li")).to_have_count(30)


def test_a_path_is_selected_by_a_click(show, small):
    opened: GraphPage = show(small, **WHOLE, t="paths")
    count = len(shown_paths(opened)[0][2])
    opened.page.get_by_label("Paths", exact=True).locator("ol > li button").first.click()
    expect(opened.page).to_have_url(re.compile("s=" + "%2C".join(["[0-9E_-]+"] * count) + "($|&)"))


def test_where_no_path_leads_it_says_so(show, small):
    nodes = small.of_kind(NodeKind.TARGET)
    opened: GraphPage = show(small, **WHOLE, s=small.node_id(nodes[0]), t="paths")
    begin = chooser(opened, "from")
    begin.select_option(value=selection_in(begin))
    chooser(opened, "to").select_option(index=1)
    expect(opened.page.get_by_text("No path leads from the one to the other")).to_be_visible()
