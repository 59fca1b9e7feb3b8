"""The link graph: pointing, selecting, the lasso, zoom and pan, walking with arrows, folds, the legend."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from clew.graph.graph import NodeKind
from tests.web.graph_page import GraphPage
from tests.web.graphs import features_of, long_graph, one_feature_graph

WHOLE = {"m": "all", "n": "1", "e": "1"}


def view_of(page, key):
    """The address's value of a key of the view; empty where it has none."""
    found = re.search(rf"[?&]{key}=([^&]*)", page.url)
    return found.group(1) if found else ""


def test_pointing_at_a_node_shows_what_it_is(show, small):
    opened: GraphPage = show(small, **WHOLE)
    node = features_of(small)[0]
    opened.page.mouse.move(*opened.place_of(node))
    index = small.node_ids.index(node)
    expect(opened.card.locator("strong")).to_have_text(small.node_name(index))
    expect(opened.card).to_contain_text(f"layer {small.node_layer[index]}")
    expect(opened.card).to_contain_text("activation")
    expect(opened.card).to_contain_text(small.output_texts(index, 1)[0].strip())
    opened.page.mouse.move(5, 300)
    expect(opened.card).to_be_hidden()


def test_every_kind_of_node_is_told_apart_by_words(show, small):
    opened: GraphPage = show(small, **WHOLE)
    for kind, sentence in [
        (NodeKind.FEATURE, "Feature"),
        (NodeKind.ERROR, "Error node: unexplained part of layer"),
        (NodeKind.TOKEN, "Token"),
        (NodeKind.TARGET, "Output"),
    ]:
        opened.look(**WHOLE, s=small.node_id(small.of_kind(kind)[0]))
        expect(opened.spoken).to_contain_text(sentence)
    legend = opened.page.locator(".legend")
    for word in ["feature", "error", "token", "output", "strengthens", "weakens"]:
        expect(legend).to_contain_text(word)


def test_click_selects_shift_click_adds_and_takes_away(show, small):
    opened: GraphPage = show(small, **WHOLE)
    first, second = features_of(small)[:2]
    places = [opened.place_of(first), opened.place_of(second)]
    opened.page.mouse.click(*places[0])
    expect(opened.page.get_by_label("Selected node")).to_be_visible()
    expect(opened.page).to_have_url(re.compile(rf"s={first}($|&)"))
    opened.page.keyboard.down("Shift")
    opened.page.mouse.click(*places[1])
    expect(opened.page.get_by_role("heading", name="2 nodes selected")).to_be_visible()
    opened.page.mouse.click(*places[0])
    opened.page.keyboard.up("Shift")
    expect(opened.page).to_have_url(re.compile(rf"s={second}($|&)"))
    opened.press("Escape")
    expect(opened.page.get_by_label("Overview")).to_be_visible()


def test_the_lasso_selects_what_is_inside(show, small):
    opened: GraphPage = show(small, **WHOLE)
    page, wanted = opened.page, features_of(small)[:3]
    x, y = opened.place_of(wanted[0])
    page.mouse.move(x - 30, y - 30)
    expect(opened.card).to_be_hidden()
    page.keyboard.down("Shift")
    page.mouse.down()
    for dx, dy in [(30, -30), (30, 30), (-30, 30), (-30, -30)]:
        page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page).to_have_url(re.compile(r"[?&]s="))
    inside = view_of(page, "s").replace("%2C", ",").split(",")
    assert wanted[0] in inside
    for node in (*inside, *wanted):
        place = opened.place_of(node)
        away = max(abs(place[0] - x), abs(place[1] - y))
        assert away < 32 if node in inside else away > 28, node


def test_zoom_and_pan_with_wheel_mouse_and_buttons(show, small):
    opened: GraphPage = show(small, **WHOLE)
    page, node = opened.page, features_of(small)[0]
    before = opened.place_of(node)
    page.mouse.move(*before)
    page.mouse.wheel(0, -400)
    expect(page).to_have_url(re.compile(r"[?&]z="))
    scale = float(view_of(page, "z").split("%2C")[0])
    at = opened.place_of(node)
    assert at == pytest.approx(before, abs=2)  # what is pointed at stays under the pointer
    page.mouse.move(300, 250)
    page.mouse.down()
    page.mouse.move(360, 290, steps=5)
    page.mouse.up()
    page.wait_for_function(
        "(old) => location.hash.match(/z=[^&]*/)[0] !== old", arg=f"z={view_of(page, 'z')}"
    )
    assert opened.place_of(node) == pytest.approx((at[0] + 60, at[1] + 40), abs=3)
    page.get_by_role("button", name="Zoom out").click()
    page.wait_for_function("(scale) => Number(location.hash.match(/z=([^%]*)/)[1]) < scale", arg=scale - 0.01)
    zoomed = page.url
    page.get_by_role("button", name="Fit").click()
    expect(page).not_to_have_url(zoomed)
    assert opened.place_of(node) == pytest.approx(before, abs=2)


def strongest(small, node, inputs):
    """Id of the node at the other end of the strongest edge."""
    index = small.node_ids.index(node)
    ends, others = (
        (small.edge_target, small.edge_source) if inputs else (small.edge_source, small.edge_target)
    )
    edges = (ends == index).nonzero()[0]
    return small.node_id(others[edges[abs(small.edge_weight[edges]).argmax()]])


def test_arrow_keys_walk_along_the_strongest_edges(show, small):
    opened: GraphPage = show(small, **WHOLE)
    opened.surface.focus()
    opened.press("ArrowUp")
    expect(opened.spoken).not_to_be_empty()
    start = next(node for node in features_of(small) if not node.startswith("0_"))
    opened.look(**WHOLE, s=start)
    opened.surface.focus()
    opened.press("ArrowDown")
    below = strongest(small, start, inputs=True)
    expect(opened.page).to_have_url(re.compile(rf"s={below}($|&)"))
    opened.press("ArrowUp")
    above = strongest(small, below, inputs=False)
    expect(opened.page).to_have_url(re.compile(rf"s={above}($|&)"))
    said = opened.spoken.inner_text()
    opened.press("ArrowLeft")
    expect(opened.spoken).not_to_have_text(said)


def test_quiet_tokens_of_a_long_prompt_fold_and_unfold(show):
    graph = long_graph()
    opened: GraphPage = show(graph, **WHOLE)
    page, hidden = opened.page, graph.node_id(graph.of_kind(NodeKind.TOKEN)[10])
    unfold = page.get_by_role("button", name="Unfold all")
    expect(unfold).to_be_visible()
    page.get_by_role("button", name="Fit").click()
    expect(page).to_have_url(re.compile("z="))
    first, next_seen = (
        opened.place_of(graph.node_id(graph.of_kind(NodeKind.TOKEN)[place])) for place in (0, 41)
    )
    page.mouse.click((first[0] + next_seen[0]) / 2, first[1] - 30)  # between them stand the forty folded ones
    expect(page).to_have_url(re.compile(r"[?&]u=1%2C2%2C3"))
    expect(unfold).to_be_hidden()
    assert opened.place_of(hidden)
    page.get_by_role("button", name="Fold", exact=True).click()
    unfold.click()
    expect(unfold).to_be_hidden()
    opened.surface.focus()
    opened.press("Control+z")
    expect(unfold).to_be_visible()


def test_a_graph_of_one_feature_can_be_read(show):
    graph = one_feature_graph()
    opened: GraphPage = show(graph, **WHOLE)
    opened.page.mouse.click(*opened.place_of(features_of(graph)[0]))
    expect(opened.page.get_by_label("Selected node")).to_contain_text("layer 0")


def test_dark_follows_the_system_and_the_button(show, small):
    opened: GraphPage = show(small, **WHOLE)
    page = opened.page
    ground = "() => getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"(light) => ({ground})() !== light", arg=light)
    assert opened.place_of(features_of(small)[0])  # the canvas has the colours of the dark as well
    page.get_by_role("button", name="Light", exact=True).click()
    page.wait_for_function(f"(light) => ({ground})() === light", arg=light)


@pytest.mark.parametrize("name", ["cold-clt-hp", "hive-clt-hp", "puppy-clt-hp"])
def test_real_graphs_are_drawn_and_can_be_walked(show, shared_file, name):
    opened: GraphPage = show(shared_file(name), m="all")
    expect(opened.page.locator(".legend")).to_be_visible()
    opened.surface.focus()
    opened.press("ArrowUp", "ArrowDown", "ArrowDown")
    expect(opened.spoken).not_to_be_empty()
    expect(opened.page).to_have_url(re.compile(r"[?&]s="))
    assert opened.place_of(view_of(opened.page, "s"))
