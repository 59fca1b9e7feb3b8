"""The drawing of chosen nodes as a figure: boxes are moved, aligned and resized, and stay so."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.graph_page import GraphPage
from tests.web.graphs import features_of


@pytest.fixture
def chosen(show, small) -> GraphPage:
    """Three pinned nodes and a group, as a figure."""
    opened: GraphPage = show(small)
    nodes = features_of(small)
    group = {"name": "the mouth", "members": nodes[3:6], "color": "#0072b2"}
    opened.server.annotate(opened.id, {f"pin:{node}": True for node in nodes[:3]} | {"group:a": group})
    opened.look(m="chosen")
    opened.reloaded()
    box_of(opened, "g:a").wait_for()
    return opened


def box_of(opened, key):
    return opened.page.locator(f"[data-key='{key}']")


def places(values):
    return {key.removeprefix("place:"): value for key, value in values.items() if key.startswith("place:")}


def middle(locator):
    box = locator.locator("rect").first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(opened, start, to):
    mouse = opened.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move((start[0] + to[0]) / 2, (start[1] + to[1]) / 2)
    mouse.move(*to)
    mouse.up()


def test_a_box_stays_where_it_is_put_until_undo_and_onto_another_it_makes_a_group(chosen, small):
    page, box = chosen.page, box_of(chosen, "g:a")
    before = middle(box)
    frame = page.locator(".boxes > svg").bounding_box()
    free = frame["x"] + 90, frame["y"] + 60
    drag(chosen, before, free)
    kept = places(chosen.saved_once(places))
    assert len(kept) == page.locator("[data-key]").count()  # the others stay where they were, too
    scale = page.locator(".boxes > svg").evaluate(
        "svg => svg.width.baseVal.value / svg.viewBox.baseVal.width"
    )
    other = box_of(chosen, f"n:{features_of(small)[0]}")
    seen = (middle(box)[0] - middle(other)[0]) / scale
    assert seen == pytest.approx(kept["g:a"]["x"] - kept[f"n:{features_of(small)[0]}"]["x"], abs=0.5)
    chosen.reloaded()
    box.wait_for()
    assert (middle(box)[0] - middle(other)[0]) / scale == pytest.approx(seen, abs=0.5)
    drag(chosen, middle(other), middle(box))
    expect(page.locator(".feature[data-key]")).to_have_count(3)  # the pinned node joined the group
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Arrange automatically").click()
    chosen.saved_once(lambda values: not places(values))
    page.get_by_role("button", name="Undo").click()
    assert places(chosen.saved_once(places)) == kept


def test_boxes_are_aligned_resized_and_moved_by_keys(chosen, small):
    page = chosen.page
    keys = [f"n:{node}" for node in features_of(small)[:3]]
    for key in keys:
        box_of(chosen, key).click(modifiers=["Shift"])
    for name, same in {
        "Align left": lambda box: box["x"],
        "Align centres": lambda box: box["x"] + box["width"] / 2,
        "In a row": lambda box: box["y"] + box["height"] / 2,
    }.items():
        page.get_by_role("button", name=name).click()
        boxes = [box_of(chosen, key).locator("rect").first.bounding_box() for key in keys]
        assert max(map(same, boxes)) - min(map(same, boxes)) < 0.1
    page.keyboard.press("Escape")
    box = box_of(chosen, "g:a")
    before = places(chosen.saved_once(places))["g:a"]
    box.hover()
    corner = box.locator("rect.handle").bounding_box()
    start = corner["x"] + 4, corner["y"] + 4
    drag(chosen, start, (start[0] + 80, start[1] + 40))
    after = chosen.saved_once(lambda values: places(values)["g:a"]["width"])["place:g:a"]
    assert after["height"] > 50
    assert after["x"] > before["x"]
    box.press("Alt+ArrowRight")
    chosen.saved_once(lambda values: places(values)["g:a"]["x"] > after["x"])


def test_no_text_leaves_its_box_and_every_arrow_ends_at_one(chosen):
    """Of a narrow box too: its title is broken into more lines."""
    faults = """() => {
      const found = [];
      for (const box of document.querySelectorAll('[data-key]')) {
        const outline = box.querySelector('rect').getBoundingClientRect();
        for (const text of box.querySelectorAll('text')) {
          const { left, right, top, bottom } = text.getBoundingClientRect();
          if (left < outline.left || right > outline.right || top < outline.top || bottom > outline.bottom)
            found.push(text.textContent);
        }
      }
      const edges = [...document.querySelectorAll('[data-key] > rect:first-child')].flatMap((rect) => {
        const { left, right, top, bottom } = rect.getBoundingClientRect();
        return [[left, right, top], [left, right, bottom]];
      });
      for (const head of document.querySelectorAll('path.head')) {
        const { left, right, top, bottom } = head.getBoundingClientRect();
        const middle = (left + right) / 2;
        const touches = edges.some(([from, to, y]) =>
          middle > from && middle < to && (Math.abs(top - y) < 1.5 || Math.abs(bottom - y) < 1.5));
        if (!touches) found.push(head.getAttribute('d'));
      }
      return found;
    }"""
    assert chosen.page.evaluate(faults) == []
    place = {"x": 300, "y": 200, "width": 60, "height": 30}
    chosen.server.annotate(chosen.id, {"place:g:a": place})
    chosen.reloaded()
    box_of(chosen, "g:a").wait_for()
    assert chosen.page.evaluate(faults) == []
