"""Files and texts that mean harm: shown as text, or refused with a sentence on the page."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from clew.graph.writer import save
from tests.web.graph_page import GraphPage
from tests.web.graphs import features_of, hostile, small_graph

SCRIPTS = [
    "<script>document.title='run'</script>",
    "<img src=x onerror=\"document.title='run'\">",
    "</script><svg onload=\"document.title='run'\">",
    "{{constructor.constructor('document.title=1')()}}",
    "javascript:document.title='run'",
]


def bring(page, server, content, name="graph.clew"):
    """Give a file to the library by its button."""
    page.goto(f"{server.url}/#/")
    page.get_by_label("Graph files to import").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )


@pytest.mark.parametrize("text", SCRIPTS)
def test_a_script_in_any_text_never_runs_and_shows_as_text(show, small, text):
    graph = hostile(small, text)
    nodes = features_of(graph)
    opened: GraphPage = show(graph, name=text)
    page = opened.page
    opened.server.annotate(
        opened.id,
        {
            f"label:{nodes[0]}": text,
            "group:a": {"name": text, "members": nodes[1:3], "color": None},
        },
    )
    opened.reloaded()
    expect(page.locator("header b")).to_have_text(text)
    page.get_by_role("group", name="Story of the graph").wait_for()
    for tab in ["Groups", "Paths", "Test", "About", "Node"]:
        opened.tab(tab)
    opened.look(m="all", s=nodes[0])
    expect(page.get_by_label("Selected node").get_by_role("heading", level=2)).to_contain_text(text)
    page.mouse.move(*opened.place_of(nodes[0]))
    expect(opened.card).to_contain_text(text)
    opened.look(m="chosen", t="groups")
    expect(page.get_by_role("group", name=f"Group {text}")).to_be_visible()
    page.goto(f"{opened.server.url}/#/")
    expect(page.get_by_role("link", name=text).first).to_be_visible()
    page.goto(f"{opened.server.url}/#/compare/{opened.id}/{opened.id}")
    expect(page.get_by_role("table", name="Nodes")).to_be_visible()
    assert "clew" in page.title()
    assert page.locator("img, svg[onload]").count() == 0


def test_a_script_that_somebody_types_is_text(show, small):
    opened: GraphPage = show(small, m="all", s=features_of(small)[0])
    opened.surface.focus()
    opened.press("l")
    opened.page.get_by_role("textbox", name="Label").fill(SCRIPTS[1])
    opened.press("Enter")
    expect(opened.page.get_by_role("heading", name=SCRIPTS[1])).to_be_visible()
    assert opened.page.locator("img").count() == 0


def test_pictures_and_exports_of_hostile_texts_run_nothing(show, small, tmp_path, new_context, server):
    graph = hostile(small, SCRIPTS[2])
    opened: GraphPage = show(graph, m="all", name=SCRIPTS[2])
    for name, content in [
        ("picture.svg", opened.figure("SVG")),
        ("alone.html", server.exported(opened.id, "html")),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        away = new_context(offline=True).new_page()
        away.goto(path.as_uri())
        away.locator("svg" if name.endswith("svg") else "g.box, .state").first.wait_for()
        assert away.title() != "run"


def clew_file(tmp_path, graph):
    return save(graph, tmp_path / "whole.clew").read_bytes()


def as_json(tmp_path, graph):
    return json.loads(save(graph, tmp_path / "whole.json").read_bytes())


def broken_files(tmp_path):
    graph = small_graph()
    whole = clew_file(tmp_path, graph)
    wrong = as_json(tmp_path, graph) | {"links": "none"}
    return {
        "cut off": whole[: len(whole) // 2],
        "nothing": b"",
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "wrong types": json.dumps(wrong).encode(),
        "a list": b"[1, 2, 3]",
        "deep": b"[" * 100_000,
    }


@pytest.mark.parametrize("kind", ["cut off", "nothing", "a picture", "wrong types", "a list", "deep"])
def test_a_broken_file_is_refused_with_a_sentence(page, server, tmp_path, watch, kind):
    watch.expected.append(r"status of 4(13|22)")
    count = len(server.entries())
    bring(page, server, broken_files(tmp_path)[kind], f"{kind}.clew")
    alert = page.get_by_role("alert").filter(has_text="was not imported")
    expect(alert).to_contain_text(f"{kind}.clew")
    assert len(alert.locator("li span").last.inner_text()) > 20
    alert.get_by_role("button", name="Close").click()
    expect(alert).to_be_hidden()
    assert len(server.entries()) == count


def test_a_huge_label_in_a_file_is_refused(page, server, tmp_path, watch):
    watch.expected.append(r"status of 4(13|22)")
    graph = small_graph()
    from dataclasses import replace

    from clew.graph.info import Annotations

    huge = replace(graph, annotations=Annotations(labels={features_of(graph)[0]: "x" * 10_000_000}))
    bring(page, server, clew_file(tmp_path, huge))
    expect(page.get_by_role("alert").filter(has_text="was not imported")).to_contain_text("characters")


def test_long_words_do_not_break_the_page(show, small):
    graph = hostile(small, "long" * 400)
    opened: GraphPage = show(graph, m="all", s=features_of(graph)[0])
    wide = opened.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


@pytest.mark.parametrize(
    "text", ["\u202eright to left", "\u0000"[:0] + "\u200b\u200b", "\U0001f9f5" * 50, "a\nb\tc"]
)
def test_strange_characters_are_shown(show, small, text):
    graph = hostile(small, text)
    opened: GraphPage = show(graph, m="all", s=features_of(graph)[0])
    expect(opened.page.get_by_label("Selected node")).to_be_visible()


def test_an_address_that_makes_no_sense_is_told(page, server, small, tmp_path, watch):
    watch.expected.append("404")
    page.goto(f"{server.url}/#/g/{'0' * 32}")
    expect(page.get_by_role("heading", name="This graph cannot be opened")).to_be_visible()
    page.goto(f"{server.url}/#/g/..%2F..%2Fetc%2Fpasswd")
    expect(page.get_by_role("alert")).to_contain_text("neither a graph nor another page")
    page.get_by_role("link", name="See all graphs").click()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    opened = GraphPage(page, server, server.add(small, tmp_path))
    page.goto(
        f"{server.url}/#/g/{opened.id}?m=nonsense&n=7&e=abc&s=%3Cscript%3E,1_2_3&t=none&z=1,2&u=a,-5,1e9&q=%22"
    )
    expect(page.get_by_role("tab", name="Node", selected=True)).to_be_visible()
    page.get_by_role("group", name="Story of the graph").wait_for()
    expect(page.get_by_text("The link names 2 nodes that this graph does not have")).to_be_visible()
    page.goto(f"{server.url}/#/graph/{opened.id}")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.goto(f"{server.url}/#/g/%E0%A4%A")
    expect(page.get_by_role("heading").first).to_be_visible()
