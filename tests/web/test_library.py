"""The library: search, sort, open, rename, delete with undo, import by button and by drop, export."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from clew.graph.reader import open_graph
from clew.graph.writer import save
from tests.web.graph_page import wait_until
from tests.web.graphs import one_feature_graph, with_true_influence, worded_graph

NAMES = ["beta", "alpha", "gamma"]
PROMPTS = ["Stones are made of", "Music is a", "In winter we light the"]


@pytest.fixture
def shelf(page: Page, server, tmp_path) -> Page:
    """A library of three graphs, the last added on top."""
    server.empty()
    for place, (name, prompt) in enumerate(zip(NAMES, PROMPTS, strict=True)):
        graph = with_true_influence(worded_graph(place, prompt, per_cell=place + 2))
        server.add(graph, tmp_path, name)
    page.goto(f"{server.url}/#/")
    expect(page.get_by_role("row")).to_have_count(4)
    return page


def prompts(page):
    return page.locator("[data-id] .prompt").all_inner_texts()


def row(page, text):
    return page.get_by_role("row").filter(has_text=text)


def test_an_empty_library_says_what_to_do(page, server):
    server.empty()
    page.goto(server.url)
    expect(page.get_by_role("heading", name="No graphs yet")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="New graph").click()
    expect(page.get_by_role("heading", name="New graph")).to_be_visible()


def test_a_row_tells_prompt_name_answer_model_and_scores(shelf, server):
    entry = next(entry for entry in server.entries() if entry["name"] == "alpha")
    cells = row(shelf, "Music is a")
    for text in ["alpha", entry["model"], str(entry["nodes"]), entry["answer"]["text"].strip()]:
        expect(cells).to_contain_text(text)


def test_search_by_prompt_name_and_model(shelf, server):
    field = shelf.get_by_role("searchbox", name="Search")
    shelf.keyboard.press("/")
    expect(field).to_be_focused()
    shelf.keyboard.type("winter")
    expect(shelf.get_by_text("1 of 3 graphs")).to_be_visible()
    assert prompts(shelf) == [PROMPTS[2]]
    field.fill("alpha")
    expect(row(shelf, "Music")).to_be_visible()
    field.fill("nothing like it")
    shelf.get_by_role("button", name="Show all graphs").click()
    expect(shelf.get_by_role("row")).to_have_count(4)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("Sort by prompt", [2, 1, 0]),
        ("Sort by name", [1, 0, 2]),
        ("Sort by number of nodes", [2, 0, 1]),
        ("Sort by date, newest first", [2, 1, 0]),
    ],
)
def test_sort(shelf, order, expected):
    shelf.get_by_role("button", name=order).click()
    assert prompts(shelf) == [PROMPTS[place] for place in expected]
    header = shelf.locator("[role=columnheader]", has=shelf.get_by_role("button", name=order))
    expect(header).to_have_attribute("aria-sort", re.compile("ascending|descending"))


def test_open_by_click_and_by_keyboard(shelf):
    row(shelf, "Music").get_by_role("link", name="Music is a").click()
    expect(shelf.get_by_role("tab", name="Node")).to_be_visible()
    shelf.go_back()
    expect(shelf.get_by_role("row")).to_have_count(4)
    shelf.keyboard.press("Home")
    row(shelf, "In winter").focus()
    shelf.keyboard.press("ArrowDown")
    expect(row(shelf, "Music")).to_be_focused()
    shelf.keyboard.press("Enter")
    expect(shelf.locator("header b")).to_have_text("Music is a")


def test_rename_by_button_and_by_key(shelf, server):
    row(shelf, "Music").hover()
    shelf.get_by_role("button", name="Rename alpha").click()
    field = shelf.get_by_role("textbox", name="Name of the graph")
    expect(field).to_be_focused()
    shelf.keyboard.type("first letter")
    shelf.keyboard.press("Enter")
    expect(row(shelf, "first letter")).to_be_focused()
    shelf.keyboard.press("F2")
    field.fill("never")
    shelf.keyboard.press("Escape")
    expect(row(shelf, "first letter")).to_be_visible()
    wait_until(shelf, lambda: "first letter" in {entry["name"] for entry in server.entries()}, "it is stored")


def test_delete_and_undo_by_key_and_by_message(shelf, server):
    row(shelf, "Music").focus()
    shelf.keyboard.press("Delete")
    expect(row(shelf, "Music")).to_have_count(0)
    expect(shelf.get_by_role("log")).to_contain_text("Deleted “alpha”.")
    assert len(server.entries()) == 2
    shelf.keyboard.press("Control+z")
    expect(row(shelf, "Music")).to_be_visible()
    row(shelf, "Stones").hover()
    shelf.get_by_role("button", name="Delete beta").click()
    expect(row(shelf, "Stones")).to_have_count(0)
    shelf.get_by_role("log").get_by_role("button", name="Undo").click()
    expect(row(shelf, "Stones")).to_be_visible()
    wait_until(shelf, lambda: len(server.entries()) == 3, "all are back")


def test_deeds_are_undone_and_redone_in_order_however_fast(shelf, server, watch):
    watch.expected.append(r"404 .*/api/graphs/")  # it may be gone when the page asks what changed
    row(shelf, "Music").focus()
    shelf.keyboard.press("F2")
    shelf.get_by_role("textbox", name="Name of the graph").fill("first letter")
    shelf.keyboard.press("Enter")
    expect(row(shelf, "first letter")).to_be_focused()
    shelf.keyboard.press("Delete")
    shelf.keyboard.press("Control+z")
    shelf.keyboard.press("Control+z")
    expect(row(shelf, "alpha")).to_be_visible()
    wait_until(shelf, lambda: "alpha" in {entry["name"] for entry in server.entries()}, "all is back")
    shelf.keyboard.press("Control+Shift+z")
    expect(row(shelf, "first letter")).to_be_visible()
    shelf.keyboard.press("Control+Shift+z")
    expect(row(shelf, "first letter")).to_have_count(0)
    wait_until(shelf, lambda: len(server.entries()) == 2, "it is deleted again")


def test_a_deleted_graph_comes_back_with_its_notes(shelf, server):
    id = next(entry["id"] for entry in server.entries() if entry["name"] == "alpha")
    server.annotate(id, {"group:a": {"name": "kept", "members": ["E_100_0"], "color": None}})
    row(shelf, "Music").focus()
    shelf.keyboard.press("Delete")
    expect(row(shelf, "Music")).to_have_count(0)
    shelf.get_by_role("log").get_by_role("button", name="Undo").click()
    expect(row(shelf, "Music")).to_be_visible()
    there = lambda: any(entry["id"] == id for entry in server.entries())  # noqa: E731
    wait_until(shelf, there, "the graph is back")
    assert server.values(id)["group:a"]["name"] == "kept"


@pytest.mark.parametrize("ending", ["clew", "json"])
def test_import_by_button(shelf, tmp_path, ending):
    path = save(one_feature_graph(), tmp_path / f"one.{ending}")
    shelf.get_by_label("Graph files to import").set_input_files(path)
    expect(shelf.get_by_text("Imported 1 graph.")).to_be_visible()
    expect(row(shelf, "Yes")).to_be_focused()


def test_import_by_drop_of_several_files(shelf, tmp_path):
    contents = [
        list(save(one_feature_graph(), tmp_path / "one.clew").read_bytes()),
        list(save(with_true_influence(worded_graph(9, "Paper is")), tmp_path / "two.clew").read_bytes()),
    ]
    transfer = shelf.evaluate_handle(
        """(contents) => {
          const transfer = new DataTransfer();
          contents.forEach((bytes, place) =>
            transfer.items.add(new File([new Uint8Array(bytes)], `${place}.clew`)));
          return transfer;
        }""",
        contents,
    )
    shelf.dispatch_event("main", "dragover", {"dataTransfer": transfer})
    expect(shelf.get_by_text("Drop to import")).to_be_visible()
    shelf.dispatch_event("main", "drop", {"dataTransfer": transfer})
    expect(shelf.get_by_text("Imported 2 graphs.")).to_be_visible()
    expect(shelf.get_by_role("row")).to_have_count(6)


@pytest.mark.parametrize("name", ["cold-clt-hp", "hive-clt-hp", "puppy-clt-hp"])
def test_real_neuronpedia_files_are_imported(shelf, shared_file, tmp_path, name):
    path = tmp_path / f"{name}.json"
    path.write_bytes(shared_file(name))
    shelf.get_by_label("Graph files to import").set_input_files(path)
    expect(shelf.get_by_text("Imported 1 graph.")).to_be_visible()


@pytest.mark.parametrize(
    ("item", "ending"), [("clew file", "clew"), ("Neuronpedia JSON", "json"), ("Web page", "html")]
)
def test_export_of_a_row(shelf, tmp_path, item, ending):
    row(shelf, "Music").hover()
    shelf.get_by_role("button", name="Export alpha").click()
    with shelf.expect_download() as download:
        shelf.get_by_role("menuitem", name=item).click()
    assert download.value.suggested_filename == f"alpha.{ending}"
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    if ending == "html":
        shelf.goto(path.as_uri())
        expect(shelf.get_by_text("Music is a").first).to_be_visible()
    else:
        assert open_graph(path).info.prompt == "Music is a"


def test_what_happens_elsewhere_appears_here(shelf, server, tmp_path):
    id = server.add(one_feature_graph(), tmp_path, "from elsewhere")
    expect(row(shelf, "from elsewhere")).to_be_visible()
    server.api.patch(f"/graphs/{id}", json={"name": "renamed elsewhere"})
    expect(row(shelf, "renamed elsewhere")).to_be_visible()
    server.api.delete(f"/graphs/{id}")
    expect(row(shelf, "renamed elsewhere")).to_have_count(0)


def test_many_graphs_scroll_with_few_rows_in_the_page(page, server, tmp_path):
    server.empty()
    content = save(one_feature_graph(), tmp_path / "one.clew").read_bytes()
    for place in range(60):
        server.bring(content, f"number {place:02}")
    page.goto(f"{server.url}/#/")
    expect(page.get_by_role("row").nth(5)).to_be_visible()
    assert page.get_by_role("row").count() < 40
    row(page, "number 59").focus()
    page.keyboard.press("End")
    expect(row(page, "number 00")).to_be_focused()
    server.empty()
