"""No serious fault that axe-core can find, on any page, light and dark, in wide and narrow windows."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.web.graph_page import GraphPage
from tests.web.graphs import features_of, small_graph

AXE = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ['violations'] });
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(
    ({ id, help, nodes }) => `${id}: ${help}\\n` +
      nodes.slice(0, 4).map(({ html, any }) => `    ${html.slice(0, 200)} ${any[0]?.message}`).join('\\n'));
}"""


def assert_accessible(page: Page) -> None:
    wide = page.viewport_size
    for width in [390, 1024, 1440]:
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function("() => document.getAnimations().every((each) => each.playState !== 'running')")
        found = page.evaluate(RUN)
        assert not found, f"{width} pixels wide\n" + "\n".join(found)
    if wide:
        page.set_viewport_size(wide)


@pytest.fixture(params=["light", "dark"])
def page(request, new_context) -> Page:
    if not AXE.is_file():
        pytest.fail("axe-core is not there: run `npm ci` in web/.")
    context = new_context(color_scheme=request.param, reduced_motion="reduce")
    context.add_init_script(path=AXE)
    return context.new_page()


def test_library_full_and_empty(page, server, small, tmp_path):
    server.empty()
    page.goto(server.url)
    expect(page.get_by_role("heading", name="No graphs yet")).to_be_visible()
    assert_accessible(page)
    for name in ["first", "second", "third"]:
        server.add(small, tmp_path, name)
    expect(page.get_by_role("row")).to_have_count(4)
    page.get_by_role("checkbox").first.check()
    assert_accessible(page)


def test_new_graph(page, server):
    page.goto(f"{server.url}/#/new")
    expect(page.get_by_label("Prompt")).to_be_visible()
    page.get_by_text("Advanced options").click()
    assert_accessible(page)
    page.get_by_role("button", name="Chat", exact=True).click()
    page.get_by_role("button", name="Add an answer").click()
    expect(page.get_by_label("Assistant")).to_be_visible()
    assert_accessible(page)


def test_the_roles_of_a_chat(page, small, show):
    parts = ("system", "template", "user", "assistant")
    roles = tuple(parts[min(place, 3)] for place in range(len(small.info.tokens)))
    opened: GraphPage = show(small.with_info(roles=roles, messages=(("user", "Where?"),)), m="all")
    expect(page.locator("header b")).to_have_text("Where?")
    page.get_by_role("tab", name="About").click()
    expect(page.get_by_title("Token 2, user", exact=True)).to_be_visible()
    opened.painted("all")
    assert_accessible(page)


def test_help_and_tour(page, server, small, show):
    opened: GraphPage = show(small, m="all")
    opened.surface.focus()
    opened.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    assert_accessible(page)
    page.evaluate("() => localStorage.clear()")


@pytest.mark.parametrize("mode", ["story", "all", "chosen"])
def test_graph_in_every_view(show, small, server, mode, page):
    nodes = features_of(small)
    opened: GraphPage = show(small, m=mode)
    server.annotate(
        opened.id,
        {
            f"label:{nodes[0]}": "a spring",
            f"pin:{nodes[1]}": True,
            "group:a": {"name": "delta", "members": nodes[2:5], "color": "#0072b2"},
        },
    )
    opened.reloaded()
    opened.painted(mode)
    assert_accessible(page)


@pytest.mark.parametrize("tab", ["node", "groups", "paths", "test", "about"])
def test_graph_with_every_panel(show, small, server, tab, page):
    nodes = features_of(small)
    opened: GraphPage = show(small, m="all", t=tab, s=nodes[0])
    opened.painted("all")
    assert_accessible(page)


def test_several_nodes_a_search_and_a_question(show, small, page):
    opened: GraphPage = show(small, m="all", s=features_of(small)[:3])
    assert_accessible(page)
    page.get_by_role("combobox", name="Search nodes").fill("layer:1")
    expect(page.get_by_role("option").first).to_be_visible()
    assert_accessible(page)
    opened.press("Escape")
    opened.surface.focus()
    opened.press("g")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_accessible(page)


def test_compare(page, server, small, tmp_path):
    left, right = server.add(small, tmp_path), server.add(small_graph(), tmp_path)
    page.goto(f"{server.url}/#/compare/{left}/{right}")
    expect(page.get_by_role("table", name="Nodes")).to_be_visible()
    assert_accessible(page)
