"""Search of nodes: by words, label, token, layer, index, activation; filters; several at once."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from clew.graph.graph import NodeKind
from tests.web.graph_page import GraphPage
from tests.web.graphs import features_of

WHOLE = {"m": "all", "n": "1", "e": "1"}


def counted(opened: GraphPage) -> int:
    text = opened.page.locator(".results > p.quiet").inner_text()
    return int(text.split()[0].replace(",", ""))


def search(opened: GraphPage, text: str) -> None:
    opened.surface.focus()
    opened.press("/")
    field = opened.page.get_by_role("combobox", name="Search nodes")
    expect(field).to_be_focused()
    field.fill(text)
    expect(opened.page.get_by_role("listbox", name="Nodes found")).to_be_attached()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("layer:1", lambda graph: graph.node_layer == 1),
        ("pos:2", lambda graph: graph.node_position == 2),
        ("kind:error", lambda graph: graph.node_kind == NodeKind.ERROR),
        ("act>1.5", lambda graph: (graph.node_kind == NodeKind.FEATURE) & (graph.node_activation > 1.5)),
        ("layer:0 kind:feature", lambda graph: (graph.node_layer == 0) & (graph.node_kind == 0)),
        ("token:river kind:error", lambda graph: (graph.node_position == 1) & (graph.node_kind == 1)),
    ],
)
def test_filters_find_what_they_say(show, small, query, expected):
    opened: GraphPage = show(small, **WHOLE)
    search(opened, query)
    assert counted(opened) == int(expected(small).sum())


def test_a_feature_is_found_by_its_name_and_chosen_with_enter(show, small):
    opened: GraphPage = show(small, **WHOLE)
    node = features_of(small)[4]
    search(opened, small.feature_name(small.node_ids.index(node)))
    opened.press("Enter")
    expect(opened.page).to_have_url(re.compile(rf"s={node}($|&)"))
    expect(opened.page.get_by_role("listbox", name="Nodes found")).to_be_hidden()


def test_found_nodes_are_walked_with_arrows_and_chosen_by_click(show, small):
    opened: GraphPage = show(small, **WHOLE)
    search(opened, "layer:1 kind:feature")
    options = opened.page.get_by_role("option")
    expect(options.first).to_have_attribute("aria-selected", "true")
    opened.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    name = options.nth(2).locator("span").first.inner_text()
    options.nth(2).click()
    expect(opened.page.get_by_label("Selected node")).to_contain_text(name)


def test_all_that_is_found_can_be_selected(show, small):
    opened: GraphPage = show(small, **WHOLE)
    search(opened, "layer:2 kind:feature")
    count = counted(opened)
    opened.press("Shift+Enter")
    expect(opened.page.get_by_role("heading", name=f"{count} nodes selected")).to_be_visible()


def test_nodes_are_found_by_the_label_that_somebody_gave(show, small, server):
    node = features_of(small)[2]
    opened: GraphPage = show(small, **WHOLE)
    server.annotate(opened.id, {f"label:{node}": "mouth of a river"})
    opened.reloaded()
    search(opened, "mouth")
    assert counted(opened) == 1
    opened.press("Enter")
    expect(opened.page.get_by_role("heading", name="mouth of a river")).to_be_visible()


def test_nodes_are_found_by_the_words_that_they_write(show, small):
    opened: GraphPage = show(small, **WHOLE)
    word = small.promoted(int(small.of_kind(NodeKind.FEATURE)[0]), 1)[0].strip()
    search(opened, word)
    assert counted(opened) >= 1


def test_a_filter_that_cannot_be_read_says_so(show, small):
    opened: GraphPage = show(small, **WHOLE)
    search(opened, "layer:high")
    expect(opened.page.locator(".results .warning")).not_to_be_empty()


def test_nothing_found_is_told_and_escape_clears(show, small):
    opened: GraphPage = show(small, **WHOLE)
    search(opened, "zzzz")
    assert counted(opened) == 0
    opened.press("Escape")
    expect(opened.page.get_by_role("combobox", name="Search nodes")).to_have_value("")
