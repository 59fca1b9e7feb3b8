"""Pins and groups: by keyboard and by mouse, named, coloured, dragged, suggested; the chosen seen alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from clew.graph.graph import NodeKind
from clew.graph.summary import suggest_groups
from tests.web.graph_page import GraphPage
from tests.web.graphs import features_of, with_true_influence, worded_graph

WHOLE = {"m": "all", "n": "1", "e": "1"}


def groups_in(values):
    return {value["name"]: value for key, value in values.items() if key.startswith("group:")}


def grouped(opened, nodes, name):
    """Group nodes by keyboard."""
    opened.look(**WHOLE, s=nodes)
    opened.surface.focus()
    opened.press("g")
    opened.group_as(name)
    expect(opened.page.get_by_role("group", name=f"Group {name}")).to_be_visible()


def test_pin_and_unpin_with_the_space_bar_and_with_the_button(show, small):
    node = features_of(small)[0]
    opened: GraphPage = show(small, **WHOLE, s=node)
    opened.surface.focus()
    opened.press("Space")
    expect(opened.page.get_by_role("button", name="Unpin")).to_be_visible()
    assert opened.saved_once(bool) == {f"pin:{node}": True}
    opened.page.get_by_role("button", name="Unpin").click()
    opened.saved_once(lambda values: not values)


def test_group_name_and_open_a_group_by_keyboard_alone(show, small):
    nodes = features_of(small)[:3]
    opened: GraphPage = show(small, **WHOLE, s=nodes)
    opened.surface.focus()
    opened.press("g")
    asked = opened.page.get_by_role("dialog", name="Name the group of 3 nodes")
    expect(asked).to_be_visible()
    opened.page.keyboard.type("the mouth")
    opened.press("Enter")
    expect(asked).to_be_hidden()
    group = groups_in(opened.saved_once(bool))["the mouth"]
    assert sorted(group["members"]) == sorted(nodes)
    assert re.fullmatch("#[0-9a-f]{6}", group["color"])


def test_escape_leaves_the_question_for_a_name_without_a_group(show, small):
    opened: GraphPage = show(small, **WHOLE, s=features_of(small)[:2])
    opened.surface.focus()
    opened.press("g", "Escape")
    expect(opened.page.get_by_role("dialog")).to_be_hidden()
    assert opened.saved() == {}
    expect(opened.page.get_by_role("heading", name="2 nodes selected")).to_be_visible()


def test_rename_and_colour(show, small):
    opened: GraphPage = show(small)
    grouped(opened, features_of(small)[:2], "first")
    opened.page.get_by_role("button", name="Rename").click()
    field = opened.page.get_by_role("textbox", name="Name of the group")
    expect(field).to_be_focused()
    field.fill("the delta")
    opened.press("Enter")
    opened.page.get_by_label("Color of the delta").fill("#123456")
    opened.saved_once(lambda values: groups_in(values).get("the delta", {}).get("color") == "#123456")


def test_ungroup_and_take_out_of_a_group(show, small):
    first, second, third = features_of(small)[:3]
    opened: GraphPage = show(small)
    grouped(opened, [first, second, third], "three")
    opened.look(**WHOLE, s=first)
    opened.surface.focus()
    opened.press("u")
    values = opened.saved_once(lambda values: len(groups_in(values)["three"]["members"]) == 2)
    assert first not in groups_in(values)["three"]["members"]
    opened.tab("Groups")
    opened.page.get_by_role("button", name="Ungroup").click()
    opened.saved_once(lambda values: not values)
    expect(opened.page.get_by_text("There are no groups yet.")).to_be_visible()


def test_a_member_is_dragged_to_another_group_and_out(show, small):
    one, two, three, four = features_of(small)[:4]
    opened: GraphPage = show(small)
    grouped(opened, [three, four], "left")
    grouped(opened, [one, two], "right")
    page = opened.page
    left = page.get_by_role("group", name="Group left")
    members = page.get_by_role("group", name="Group right").get_by_role("listitem")
    name = small.node_name(small.node_ids.index(one))
    members.filter(has_text=name).drag_to(left)
    values = opened.saved_once(lambda values: len(groups_in(values)["left"]["members"]) == 3)
    assert one in groups_in(values)["left"]["members"]
    assert groups_in(values)["right"]["members"] == [two]
    expect(page.get_by_text("moved from “right” to “left”.")).to_be_visible()
    members.first.drag_to(left)
    opened.saved_once(lambda values: "right" not in groups_in(values))
    gone = page.get_by_role("log", name="Messages").filter(has_text="“right” has no nodes left and is gone.")
    gone.get_by_role("button", name="Undo").last.click()
    opened.saved_once(lambda values: groups_in(values).get("right", {}).get("members") == [two])
    left.get_by_role("button", name="left", exact=True).click()
    left.get_by_role("listitem").filter(has_text=name).drag_to(page.get_by_role("group", name="Pinned nodes"))
    opened.saved_once(lambda values: one not in groups_in(values)["left"]["members"])


def test_the_selection_joins_a_group(show, small):
    one, two, three = features_of(small)[:3]
    opened: GraphPage = show(small)
    grouped(opened, [one, two], "pair")
    opened.look(**WHOLE, s=three, t="groups")
    opened.page.get_by_role("button", name="Add selection").click()
    opened.saved_once(lambda values: len(groups_in(values)["pair"]["members"]) == 3)


def test_suggestions_are_accepted_or_declined(show, shared_file, server, tmp_path):
    opened: GraphPage = show(shared_file("cold-clt-hp"), t="groups")
    expected = suggest_groups(server.graph(opened.id, tmp_path))
    cards = opened.page.locator(".suggested")
    expect(cards).to_have_count(len(expected))
    before = groups_in(opened.saved())
    first, second = (cards.nth(place).get_by_role("button").first.inner_text() for place in (0, 1))
    cards.first.get_by_role("button", name="Accept").click()
    values = opened.saved_once(lambda values: len(groups_in(values)) == len(before) + 1)
    assert first in groups_in(values)
    declined = cards.filter(has=opened.page.get_by_role("button", name=second, exact=True)).first
    declined.get_by_role("button", name="Decline").click()
    expect(cards.get_by_role("button", name=second, exact=True)).to_have_count(0)
    assert len(groups_in(opened.saved())) == len(before) + 1


def test_four_hundred_pins_are_none_too_many(show, server):
    graph = with_true_influence(worded_graph(1, n_layers=10, per_cell=11, density=0.3))
    nodes = features_of(graph)[:400]
    assert len(nodes) == 400
    opened: GraphPage = show(graph, **WHOLE)
    opened.page.get_by_role("combobox", name="Search nodes").fill("kind:feature")
    opened.page.get_by_role("button", name="Select all").click()
    expect(opened.page.get_by_role("heading", name="440 nodes selected")).to_be_visible()
    opened.surface.focus()
    opened.press("Space")
    values = opened.saved_once(bool)
    assert len(values) == 440
    opened.press("3")
    expect(opened.page.get_by_role("group", name="The pinned and grouped nodes")).to_be_visible()
    assert opened.page.locator("[data-key^='n:']").count() >= 440


def test_the_chosen_view_shows_what_is_pinned_and_grouped_with_summed_edges(show, small):
    nodes = features_of(small)
    opened: GraphPage = show(small)
    grouped(opened, nodes[:3], "the mouth")
    opened.look(**WHOLE, s=nodes[3])
    opened.surface.focus()
    opened.press("Space", "Escape", "3")
    shown = opened.page.get_by_role("group", name="The pinned and grouped nodes")
    expect(shown.get_by_role("button", name=re.compile("^the mouth "))).to_be_visible()
    expect(shown.locator(".box.feature")).to_have_count(2)
    expect(shown.locator(".box.target")).to_have_count(2)
    assert shown.locator("path").count() > 0
    shown.get_by_role("button", name=re.compile("^the mouth ")).press("Enter")
    expect(opened.page.get_by_role("heading", name="3 nodes selected")).to_be_visible()
    shown.get_by_role("button", name=re.compile("^the mouth ")).press(
        "Enter"
    )  # again: it opens into its nodes
    expect(shown.locator(".box.feature")).to_have_count(4)
    opened.page.get_by_role("button", name="Close opened groups").click()
    expect(shown.locator(".box.feature")).to_have_count(2)


def test_tokens_and_outputs_may_be_members(show, small):
    token, target = (small.node_id(small.of_kind(kind)[0]) for kind in (NodeKind.TOKEN, NodeKind.TARGET))
    opened: GraphPage = show(small)
    grouped(opened, [token, target], "ends")
    assert sorted(groups_in(opened.saved_once(bool))["ends"]["members"]) == sorted([token, target])


@pytest.mark.parametrize("name", ["cold-clt-hp", "hive-clt-hp", "puppy-clt-hp"])
def test_groups_that_a_real_graph_came_with_are_shown(show, shared_file, name):
    opened: GraphPage = show(shared_file(name), m="chosen", t="groups")
    expect(opened.page.get_by_role("heading", name="Groups", exact=True)).to_be_visible()
    values = opened.saved()
    for group in groups_in(values).values():
        expect(opened.page.get_by_role("group", name=f"Group {group['name']}").first).to_be_visible()
