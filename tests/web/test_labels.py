"""Labels: of a feature wherever it appears, or of one position of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from playwright.sync_api import expect

from clew.graph.graph import NodeKind
from tests.web.graph_page import GraphPage
from tests.web.graphs import features_of

WHOLE = {"m": "all", "n": "1", "e": "1"}


def with_one_feature_twice(graph):
    """Its strongest feature active at another position as well; the graph, and both nodes' ids."""
    first = graph.node_ids.index(features_of(graph)[0])
    cell = (graph.node_layer == graph.node_layer[first]) & (graph.node_kind == NodeKind.FEATURE)
    second = int(np.flatnonzero(cell & (graph.node_position != graph.node_position[first]))[0])
    feature = graph.node_feature.copy()
    feature[second] = feature[first]
    graph = replace(graph, node_feature=feature)
    return graph, graph.node_id(first), graph.node_id(second)


def label(opened, text, where=None):
    """Label the selected node by keyboard, where it is said to hold."""
    opened.surface.focus()
    opened.press("l")
    field = opened.page.get_by_role("textbox", name="Label")
    expect(field).to_be_focused()
    field.fill(text)
    if where:
        opened.page.get_by_label("Where the label applies").select_option(where)
    field.press("Enter")
    expect(field).to_be_hidden()


def heading(opened):
    return opened.page.get_by_label("Selected node").get_by_role("heading", level=2)


def test_a_label_belongs_to_the_feature_wherever_it_appears(show, small):
    graph, first, second = with_one_feature_twice(small)
    opened: GraphPage = show(graph, **WHOLE, s=first)
    label(opened, "where rivers end")
    expect(heading(opened)).to_contain_text("where rivers end")
    name = graph.feature_name(graph.node_ids.index(first))
    assert opened.saved_once(bool) == {f"feature:{name}": "where rivers end"}
    opened.look(**WHOLE, s=second)
    expect(heading(opened)).to_contain_text("where rivers end")
    expect(opened.spoken).to_contain_text("where rivers end")


def test_a_label_of_one_position_stands_before_that_of_the_feature(show, small):
    graph, first, second = with_one_feature_twice(small)
    opened: GraphPage = show(graph, **WHOLE, s=first)
    label(opened, "where rivers end")
    label(opened, "the sea", "at this position only")
    expect(heading(opened)).to_contain_text("the sea")
    opened.look(**WHOLE, s=second)
    expect(heading(opened)).to_contain_text("where rivers end")
    opened.saved_once(lambda values: values.get(f"label:{first}") == "the sea" and len(values) == 2)


def test_a_label_appears_in_other_graphs_of_the_same_model_and_no_others(show, small, server, tmp_path):
    node = features_of(small)[0]
    opened: GraphPage = show(small, **WHOLE, s=node)
    label(opened, "where rivers end")
    opened.saved_once(bool)
    same = GraphPage(opened.page, server, server.add(small, tmp_path)).open(**WHOLE, s=node)
    expect(heading(same)).to_contain_text("where rivers end")
    other = small.with_info(model="org/another")
    strange = GraphPage(opened.page, server, server.add(other, tmp_path)).open(**WHOLE, s=node)
    expect(heading(strange)).not_to_contain_text("where rivers end")


def test_a_label_is_edited_by_click_and_taken_away_by_an_empty_one(show, small):
    opened: GraphPage = show(small, **WHOLE, s=features_of(small)[0])
    heading(opened).get_by_role("button").click()
    opened.page.get_by_role("textbox", name="Label").fill("first")
    opened.page.get_by_role("button", name="Save").click()
    expect(heading(opened)).to_contain_text("first")
    heading(opened).get_by_role("button").click()
    opened.page.get_by_role("textbox", name="Label").fill("")
    opened.press("Enter")
    expect(heading(opened)).not_to_contain_text("first")
    opened.saved_once(lambda values: not values)


def test_escape_leaves_a_label_as_it_was(show, small):
    opened: GraphPage = show(small, **WHOLE, s=features_of(small)[0])
    opened.surface.focus()
    opened.press("l")
    opened.page.get_by_role("textbox", name="Label").fill("never")
    opened.press("Escape")
    expect(heading(opened)).not_to_contain_text("never")
    assert opened.saved() == {}


def test_labels_stand_on_the_picture(show, small):
    opened: GraphPage = show(small, **WHOLE, s=features_of(small)[0])
    label(opened, "where rivers end")
    assert b"where rivers end" in opened.figure("SVG")
