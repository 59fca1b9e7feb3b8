"""What a feature fires on: texts, histogram, tokens, labels of the index, search; with a server and without."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from clew.graph.graph import NodeKind
from tests.web.browsing import GraphPage
from tests.web.graphs import features_of, one_feature_graph, small_graph
from tests.web.indexes import by_model, by_rule, details, features_with_words, make_index, never_seen, place_of
from tests.web.test_accessibility import AXE, assert_accessible

MINUS = "\N{MINUS SIGN}"
WHOLE = {"m": "all", "n": "1", "e": "1"}
SIDE = "element => getComputedStyle(element).getPropertyValue('--side').trim()"
SHADE = "element => getComputedStyle(element).backgroundColor"


@pytest.fixture
def indexed(show, small, server, tmp_path):
    """`indexed(node, label="...")`: the page of the small graph at a node, with an index of its features."""

    def open_page(node: str, *others: object, **more: object) -> GraphPage:
        pair = place_of(small, node)
        own = details(*pair, features_with_words(small)[pair], **more)
        make_index(server, tmp_path, small, [own, *others])
        return show(small, **WHOLE, s=node)

    return open_page


def feature_with(graph, sign):
    """The most influential feature whose activation has this sign."""
    return next(
        node
        for node in features_of(graph)
        if sign * graph.node_activation[graph.node_ids.index(node)] > 0
    )


def word_of(graph, node):
    return features_with_words(graph)[place_of(graph, node)]


def fires(opened) -> object:
    return opened.page.get_by_role("group", name="Fires on")


def test_texts_stand_in_the_panel_the_strongest_first(indexed, small):
    node = feature_with(small, 1)
    panel = fires(indexed(node))
    texts = panel.get_by_role("list", name="Strongest").get_by_role("listitem")
    expect(texts).to_have_count(5)
    for number in range(3):
        expect(texts.nth(number)).to_contain_text(f"line {number} speaks of a {word_of(small, node)} today↵")
        expect(texts.nth(number).locator(".number")).to_have_text(f"{8 - number / 2:.2f}")
    panel.get_by_role("button", name="5 more").click()
    expect(texts).to_have_count(7)
    expect(panel.get_by_role("list", name="from 1 to 2").get_by_role("listitem")).to_have_count(1)
    expect(panel.get_by_role("list", name="Most negative").get_by_role("listitem")).to_have_count(2)


def test_a_feature_that_is_negative_here_shows_its_negative_texts_first(indexed, small):
    panel = fires(indexed(feature_with(small, -1)))
    first = panel.get_by_role("list").first
    expect(first).to_have_accessible_name("Most negative")
    expect(first.get_by_role("listitem").first).to_contain_text("speaks of a shadow")
    expect(first.locator(".number").first).to_have_text(f"{MINUS}4.00")
