"""Everything by keyboard: the help sheet names every key, and the whole loop needs no mouse."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.web.graph_page import GraphPage
from tests.web.graphs import features_of

SHORTCUTS = Path(__file__).resolve().parents[2] / "web" / "src" / "graph_page" / "graph_shortcuts.ts"
WHOLE = {"m": "all", "n": "1", "e": "1"}


def handled_keys() -> set[str]:
    """The names in the table of keys of a graph's page."""
    source = SHORTCUTS.read_text()
    table = re.search(r"const actions: Record<string, \(\) => void> = \{(.*?)\n  \};", source, re.DOTALL)
    assert table
    return {key.strip('"') for key in re.findall(r"^    (\"[^\"]+\"|\w+):", table[1], re.MULTILINE)}


def listed_keys(page) -> set[str]:
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard")
    expect(sheet).to_be_visible()
    keys = {key.lower() for key in sheet.locator("kbd").all_inner_texts()}
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    return keys


def test_the_help_sheet_lists_every_key_of_a_graph(show, small):
    opened: GraphPage = show(small, **WHOLE)
    called = {" ": "space", "Escape": "esc"}
    handled = {called.get(key, key.lower()) for key in handled_keys()}
    assert len(handled) > 10
    assert handled | {"?", "ctrl", "shift", "z", "enter", "↑", "↓", "←", "→"} <= listed_keys(opened.page)


def test_the_help_sheet_opens_and_closes_by_button_and_by_key(show, small):
    opened: GraphPage = show(small)
    sheet = opened.page.get_by_role("dialog", name="Keyboard")
    opened.page.get_by_role("button", name="Help").click()
    expect(sheet).to_be_visible()
    opened.press("?")
    expect(sheet).to_be_hidden()


def test_the_whole_loop_without_a_mouse(page, server, small, tmp_path):
    server.empty()
    id = server.add(small, tmp_path)
    page.goto(server.url)
    expect(page.get_by_role("row").nth(1)).to_be_visible()
    opened = GraphPage(page, server, id)
    opened.press("ArrowDown", "Enter")
    expect(page.get_by_role("tab", name="Node")).to_be_visible()
    opened.press("2")
    opened.painted("all")
    opened.press("/")
    page.keyboard.type("kind:feature layer:1")
    opened.press("Enter")
    expect(page.get_by_label("Selected node")).to_be_visible()
    opened.press("l")
    page.keyboard.type("a spring")
    opened.press("Enter")
    expect(page.get_by_role("heading", name="a spring")).to_be_visible()
    opened.press("Space")
    expect(page.get_by_role("button", name="Unpin")).to_be_visible()
    opened.press("g")
    page.keyboard.type("springs")
    opened.press("Enter")
    expect(page.get_by_role("group", name="Group springs")).to_be_visible()
    assert len(opened.saved_once(lambda values: len(values) == 3)) == 3
    opened.press("3")
    expect(page.get_by_role("group", name="The pinned and grouped nodes")).to_be_visible()
    opened.press("p")
    expect(page.get_by_role("heading", name="Strongest paths")).to_be_visible()
    opened.press("t")
    expect(page.get_by_role("heading", name="Change features")).to_be_visible()
    for _ in range(4):
        opened.press("Control+z")
    opened.saved_once(lambda values: not values)


def test_the_focus_goes_through_the_page_with_tab_and_can_be_seen(show, small):
    opened: GraphPage = show(small, m="all")
    focused = """() => {
      const at = document.activeElement, style = getComputedStyle(at);
      const visible = style.outlineStyle !== 'none' || style.boxShadow !== 'none';
      const name = at.getAttribute('aria-label') ?? at.textContent.trim();
      return at === document.body ? ['', true] : [name, visible];
    }"""
    seen = []
    for _ in range(80):
        opened.press("Tab")
        seen.append(opened.page.evaluate(focused))
    names = [name for name, _ in seen]
    for wanted in ["Story", "Everything", "Node", "Groups"]:
        assert wanted in names
    assert any(name.startswith("Link graph") for name in names)
    assert any(name.startswith("Node threshold") for name in names)
    assert [name for name, visible in seen if not visible] == []


def test_keys_in_a_field_are_text(show, small):
    opened: GraphPage = show(small, **WHOLE, s=features_of(small)[0])
    opened.surface.focus()
    opened.press("l")
    opened.page.keyboard.type("1 2 3 glpu?")
    expect(opened.page.get_by_role("textbox", name="Label")).to_have_value("1 2 3 glpu?")
    opened.press("Escape")
    expect(opened.surface).to_be_visible()
    assert opened.saved() == {}


def test_boxes_of_the_story_are_walked_and_unfolded(show, small):
    opened: GraphPage = show(small)
    story = opened.page.get_by_role("group", name="Story of the graph")
    story.locator(".output .face").first.focus()
    opened.press("ArrowDown")
    focused = story.locator(".box:has(:focus)")
    expect(focused).not_to_have_class(re.compile("output"))
    opened.press("Enter")
    expect(opened.details).to_contain_text(re.compile("selected|influence"))
    folded = story.locator(".fold .face").first
    folded.press("Enter")  # one key unfolds what has no name
    expect(story.locator(".node").first).to_be_visible()


def test_the_tour_is_shown_once(new_context, server, small, tmp_path):
    id = server.add(small, tmp_path)
    page = new_context(seen=False).new_page()
    page.goto(f"{server.url}/#/g/{id}")
    tour = page.get_by_role("dialog", name="Point at a step")
    expect(tour).to_be_visible()
    card, drawing = tour.bounding_box(), page.locator("main").bounding_box()
    assert card
    assert drawing
    assert card["x"] >= drawing["x"] + drawing["width"]  # it covers nothing of the drawing
    page.get_by_role("group", name="Story of the graph").locator(".face").first.focus()
    expect(tour).to_contain_text("1 of 5, done")  # it sees what is done
    for _ in range(4):
        page.get_by_role("button", name="Next").click()
    page.get_by_role("dialog", name="Test it").get_by_role("button", name="Close").click()
    expect(page.locator(".tour")).to_be_hidden()
    page.reload()
    expect(page.get_by_role("tab", name="Node")).to_be_visible()
    expect(page.locator(".tour")).to_be_hidden()
