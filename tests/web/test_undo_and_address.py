"""Undo and redo; an address that restores the view; saving through reloads, tabs and a killed server."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.web.graph_page import GraphPage
from tests.web.graphs import features_of

WHOLE = {"m": "all", "n": "1", "e": "1"}
GONE = [
    r"ERR_CONNECTION_REFUSED",
    r"ERR_INCOMPLETE_CHUNKED_ENCODING",
    r"ERR_CONNECTION_RESET",
    r"ERR_EMPTY_RESPONSE",
]


def pinned(values):
    return sorted(key.removeprefix("pin:") for key in values if key.startswith("pin:"))


def label(opened, text):
    opened.surface.focus()
    opened.press("l")
    opened.page.get_by_role("textbox", name="Label").fill(text)
    opened.press("Enter")


def test_undo_and_redo_of_each_kind_of_change(show, small):
    node, other = features_of(small)[:2]
    opened: GraphPage = show(small, **WHOLE, s=[node, other])
    page = opened.page
    opened.surface.focus()
    opened.press("Space")
    opened.press("g")
    opened.group_as("pair")
    opened.look(**WHOLE, s=node)
    label(opened, "a spring")
    done = opened.saved_once(lambda values: len(values) == 4)
    for count, told in [(3, "label"), (2, "group"), (0, "pin")]:
        opened.press("Control+z")
        expect(page.get_by_role("log")).to_contain_text(f"Undone: {told}")
        opened.saved_once(lambda values, count=count: len(values) == count)
    expect(page.get_by_role("button", name="Undo", exact=True).first).to_be_disabled()
    opened.press("Control+Shift+z", "Control+y")
    page.get_by_role("button", name="Redo", exact=True).first.click()
    assert opened.saved_once(lambda values: len(values) == 4) == done


def test_undo_takes_back_thresholds_and_the_kind_of_view(show, small):
    opened: GraphPage = show(small, **WHOLE)
    page = opened.page
    opened.node_slider().fill("40")
    opened.node_slider().fill("50")  # one movement of the slider is one step
    expect(page).to_have_url(re.compile(r"[?&]n=0\.75"))
    opened.surface.focus()
    opened.press("3")
    expect(page.get_by_role("heading", name="Nothing is chosen yet")).to_be_visible()
    opened.press("Control+z")
    expect(opened.surface).to_be_visible()
    expect(opened.node_slider()).to_have_attribute("aria-valuetext", "75.0 percent")
    opened.press("Control+z")
    expect(opened.node_slider()).to_have_attribute("aria-valuetext", "100.0 percent")


def test_a_group_that_was_changed_is_undone_to_what_it_was(show, small):
    one, two, _three = features_of(small)[:3]
    opened: GraphPage = show(small, **WHOLE, s=[one, two])
    opened.surface.focus()
    opened.press("g")
    opened.group_as("pair")
    first = opened.saved_once(bool)
    opened.page.get_by_role("button", name="Rename").click()
    opened.page.get_by_role("textbox", name="Name of the group").fill("a couple")
    opened.press("Enter")
    opened.saved_once(lambda values: values != first)
    opened.page.get_by_role("button", name="Ungroup").click()
    opened.saved_once(lambda values: not values)
    opened.page.get_by_role("button", name="Undo", exact=True).first.click()
    opened.page.get_by_role("button", name="Undo", exact=True).first.click()
    assert opened.saved_once(lambda values: values == first) == first


def test_a_reload_restores_view_and_notes(show, small):
    nodes = features_of(small)[:2]
    opened: GraphPage = show(small, m="all", n="0.9", e="0.95", s=nodes)
    opened.surface.focus()
    opened.press("Space")
    opened.saved_once(lambda values: len(values) == 2)
    opened.page.get_by_role("button", name="Zoom in").click()
    expect(opened.page).to_have_url(re.compile("z="))
    opened.tab("Groups")
    expect(opened.page).to_have_url(re.compile("t=groups"))
    address = opened.page.url
    opened.reloaded()
    expect(opened.page.get_by_role("tab", name="Groups", selected=True)).to_be_visible()
    expect(opened.page.get_by_role("button", name="Unpin all 2")).to_be_visible()
    expect(opened.node_slider()).to_have_attribute("aria-valuetext", "90.0 percent")
    opened.painted("all")
    assert opened.page.url == address


def test_a_link_restores_the_view_in_another_browser(show, small, new_context):
    node = features_of(small)[0]
    opened: GraphPage = show(small, m="all", n="0.9", e="0.95")
    opened.page.mouse.click(*opened.place_of(node))
    label(opened, "a spring")
    opened.saved_once(bool)
    expect(opened.page).to_have_url(re.compile(rf"s={node}"))
    other = new_context().new_page()
    other.goto(opened.page.url)
    expect(other.get_by_role("heading", name="a spring")).to_be_visible()
    expect(other.get_by_role("slider", name="Edge threshold")).to_have_attribute(
        "aria-valuetext", "95.0 percent"
    )


def test_back_and_forward_between_library_and_graph(show, small, server):
    opened: GraphPage = show(small, name="to come back to", **WHOLE)
    opened.page.get_by_role("link", name="clew").click()
    expect(opened.page.get_by_role("heading", name="Library")).to_be_visible()
    opened.page.go_back()
    expect(opened.surface).to_be_visible()


def test_what_another_tab_does_appears_here(show, small, context, server):
    node, other = features_of(small)[:2]
    opened: GraphPage = show(small, m="all", t="groups")
    tab = GraphPage(context.new_page(), server, opened.id).open(**WHOLE, s=node)
    tab.surface.focus()
    tab.press("Space")
    expect(opened.page.get_by_role("button", name="Unpin all 1")).to_be_visible()
    opened.look(m="all", t="groups", s=other)
    opened.surface.focus()
    opened.press("Space")
    assert pinned(opened.saved_once(lambda values: len(values) == 2)) == sorted([node, other])
    tab.tab("Groups")
    expect(tab.page.get_by_role("button", name="Unpin all 2")).to_be_visible()


def test_two_tabs_that_change_the_same_are_told_and_nothing_is_lost(show, small, watch, new_context, server):
    node, other = features_of(small)[:2]
    opened: GraphPage = show(small, **WHOLE, s=node)
    away = new_context()
    tab = GraphPage(away.new_page(), server, opened.id).open(**WHOLE, s=node)
    # The second tab loses the network, so that both change the same before either hears of the other.
    tab.page.route("**/annotations", lambda route: route.abort())
    tab.page.route("**/api/events", lambda route: route.abort())
    watch.expected += [r"ERR_FAILED"]
    label(tab, "theirs")
    tab.look(**WHOLE, s=other)
    tab.surface.focus()
    tab.press("Space")
    expect(tab.page.get_by_text("not saved yet")).to_be_visible()
    label(opened, "mine")
    opened.saved_once(bool)
    tab.page.unroute("**/annotations")
    warning = tab.page.get_by_role("alert").filter(has_text="at the same time. Its version is kept")
    expect(warning).to_be_visible()
    values = opened.saved_once(lambda values: f"pin:{other}" in values)
    assert "mine" in values.values()
    assert "theirs" not in values.values()
    expect(opened.page.get_by_role("heading", name="mine")).to_be_visible()


def test_a_killed_server_loses_nothing(show, small, watch, server):
    watch.expected += GONE
    node, other, _third = features_of(small)[:3]
    opened: GraphPage = show(small, **WHOLE, s=node)
    page = opened.page
    label(opened, "saved before")
    opened.saved_once(bool)
    server.kill()
    try:
        expect(page.get_by_text("The server does not answer")).to_be_visible()
        opened.look(**WHOLE, s=other)
        label(opened, "written meanwhile")
        opened.press("Space")
        expect(page.get_by_text("not saved yet")).to_be_visible()
    finally:
        server.restart()
    values = opened.saved_once(lambda values: len(values) == 3)
    assert sorted(value for value in values.values() if value is not True) == [
        "saved before",
        "written meanwhile",
    ]
    expect(page.get_by_text("not saved yet")).to_be_hidden()


def test_changes_that_were_not_sent_go_out_when_the_graph_is_opened_again(
    show, small, watch, server, context
):
    watch.expected += GONE
    node = features_of(small)[0]
    opened: GraphPage = show(small, **WHOLE, s=node)
    server.kill()
    try:
        label(opened, "written meanwhile")
        expect(opened.page.get_by_text("not saved yet")).to_be_visible()
        opened.page.close()
    finally:
        server.restart()
    again = GraphPage(context.new_page(), server, opened.id).open(**WHOLE, s=node)
    expect(again.page.get_by_role("heading", name="written meanwhile")).to_be_visible()
    assert "written meanwhile" in again.saved_once(bool).values()


ENTER_WHILE_THE_PAGE_WRITES = """async ([button, address]) => {
  document.querySelector(button).click(); // the page writes its address 200 ms later
  await new Promise((done) => setTimeout(done, 20));
  setTimeout(() => (location.hash = address), 100);
  const start = performance.now();
  while (performance.now() - start < 400); // now all are due: the entry, the writing, and then the event
}"""


def enter_while_the_page_writes(opened: GraphPage, address: str) -> None:
    opened.page.evaluate(ENTER_WHILE_THE_PAGE_WRITES, ["#tab-paths", address])


def test_an_address_entered_while_the_page_writes_its_own_is_shown(show, small):
    first, second, third = features_of(small)[:3]
    opened: GraphPage = show(small, **WHOLE, s=first)
    for node in (second, third):
        enter_while_the_page_writes(opened, opened.address(**WHOLE, s=node))
        expect(opened.page.get_by_role("tab", name="Node", selected=True)).to_be_visible()
        layer, feature, position = node.split("_")
        expect(opened.spoken).to_contain_text(re.compile(rf"Feature L{layer}/{feature},.*\({position}\),"))
        expect(opened.page).to_have_url(re.compile(rf"s={node}"))


def test_a_page_left_while_it_writes_its_address_stays_left(show, small):
    opened: GraphPage = show(small, **WHOLE)
    enter_while_the_page_writes(opened, "#/new")
    expect(opened.page.get_by_role("heading", name="New graph")).to_be_visible()


def test_undo_lives_through_a_reload(show, small):
    opened: GraphPage = show(small, **WHOLE, s=features_of(small)[0])
    opened.surface.focus()
    opened.press("Space")
    opened.saved_once(bool)
    opened.reloaded().painted("all")
    opened.press("Control+z")
    opened.saved_once(lambda values: not values)
    opened.press("Control+Shift+z")
    opened.saved_once(bool)
