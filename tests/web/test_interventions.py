"""Interventions with the real model: every way, every regime, text, history, replay, comparison, Python."""

from __future__ import annotations

import contextlib
import io
import re

import pytest
from playwright.sync_api import expect

from clew.graph.graph import NodeKind
from tests.web.graph_page import GraphPage

pytestmark = pytest.mark.real


@pytest.fixture
def demo(show, demo_file, server, tmp_path):
    """The demo graph with its most influential late feature selected, and the panel open."""
    opened: GraphPage = show(demo_file, m="all", t="test")
    graph = server.graph(opened.id, tmp_path)
    features = graph.of_kind(NodeKind.FEATURE)
    late = features[graph.node_layer[features] > graph.n_layers // 2]
    node = graph.node_id(late[graph.node_influence[late].argmax()])
    opened.look(m="all", t="test", s=node)
    opened.features = [graph.node_id(place) for place in late]  # type: ignore[attr-defined]
    opened.node = node  # type: ignore[attr-defined]
    opened.panel = opened.page.get_by_label("Change features")  # type: ignore[attr-defined]
    return opened


def choose(demo, how, **more):
    demo.panel.get_by_role("group", name="Kind of change").get_by_role("button", name=how).click()
    if "value" in more:
        demo.panel.get_by_label("Value").fill(str(more["value"]))
    if "source" in more:
        demo.panel.get_by_placeholder("The capital of Germany is").fill(more["source"])


def tried(demo, count=1):
    """Try it; the newest result once it is there."""
    demo.panel.get_by_role("button", name="Try it").click()
    results = demo.panel.get_by_role("article")
    expect(demo.panel.locator("ol > li")).to_have_count(count)
    expect(demo.panel.get_by_role("status")).to_have_count(0, timeout=60_000)
    expect(results.first).to_be_visible()
    return results.first


def result_of(demo):
    """The server's answer to the newest trial."""
    jobs = demo.server.api.get("/jobs", params={"graph": demo.id}).json()
    newest = max((job for job in jobs if job["kind"] == "intervene"), key=lambda job: job["created"])
    return demo.server.api.get(f"/jobs/{newest['id']}").json()["result"]


def test_ablate_shows_before_and_after_side_by_side(demo):
    choose(demo, "Ablate")
    article = tried(demo)
    measured = result_of(demo)["results"][0]
    tables = article.get_by_role("table")
    expect(tables.nth(0)).to_contain_text("Paris")
    expect(tables.nth(0)).to_contain_text(f"{measured['before'][0]['probability']:.2f}")
    answer = demo.page.get_by_role("list", name="Next tokens").get_by_role("button").first
    expect(answer).to_contain_text(f"{measured['before'][0]['probability']:.2f}")
    after = measured["after"][0]
    expect(tables.nth(1)).to_contain_text(after["text"].strip())
    expect(tables.nth(1)).to_contain_text(f"{after['probability']:.2f}")
    expect(article).to_contain_text("KL divergence")
    article.get_by_text("most changed features").click()
    expect(article.locator("details li").first).to_contain_text("→")


@pytest.mark.parametrize(
    ("how", "more"),
    [
        ("Scale", {"value": -2}),
        ("Set", {"value": 5}),
        ("Add", {"value": 3}),
        ("Patch", {"source": "The capital of Germany is"}),
    ],
)
def test_every_way_of_changing_is_what_the_server_measured(demo, how, more):
    choose(demo, how, **more)
    article = tried(demo)
    expect(demo.panel.locator("ol > li")).to_contain_text(how.lower())
    after = result_of(demo)["results"][0]["after"][0]
    expect(article.get_by_role("table").nth(1)).to_contain_text(after["text"].strip())


def test_a_direct_change_is_predicted_by_the_edges(demo):
    choose(demo, "Ablate")
    demo.panel.get_by_label("regime").select_option("direct")
    article = tried(demo)
    expect(article.get_by_role("columnheader", name="predicted")).to_be_visible()
    target = result_of(demo)["results"][0]["targets"][0]
    assert target["predicted"] == pytest.approx(target["measured"], abs=0.02)


def test_text_is_written_on_and_strengths_are_swept(demo):
    choose(demo, "Scale", value=-1)
    demo.panel.get_by_label("five strengths").check()
    demo.panel.get_by_label("Tokens to generate").fill("4")
    article = tried(demo)
    expect(article.get_by_role("group", name="Strength").get_by_role("button")).to_have_count(5)
    expect(article.locator(".texts")).to_contain_text("Paris")
    article.get_by_role("group", name="Strength").get_by_role("button").first.click()
    text = result_of(demo)["text"]["after"][0]
    expect(article.locator(".texts p").last).to_contain_text(text.strip()[:10])


def test_history_is_replayed_compared_forgotten_and_survives_a_reload(demo):
    choose(demo, "Ablate")
    tried(demo)
    choose(demo, "Set", value=8)
    tried(demo, 2)
    history = demo.panel.locator("ol > li")
    history.nth(1).get_by_role("button", name="compare").click()
    expect(demo.panel.get_by_role("article")).to_have_count(2)
    history.nth(1).get_by_role("button", name="run again").click()
    expect(history).to_have_count(3)
    expect(demo.panel.get_by_role("status")).to_have_count(0, timeout=60_000)
    demo.reloaded()
    expect(history).to_have_count(3)
    history.first.get_by_role("button", name="remove").click()
    expect(history).to_have_count(2)
    demo.page.keyboard.press("Control+z")
    expect(history).to_have_count(3)
    demo.page.keyboard.press("Control+Shift+z")
    expect(history).to_have_count(2)
    demo.reloaded()
    expect(history).to_have_count(2)


def test_two_changes_are_tried_together(demo):
    choose(demo, "Ablate")
    demo.panel.get_by_role("button", name="Add another change").click()
    expect(demo.panel.get_by_text("together with 1 earlier change")).to_be_visible()
    other = next(node for node in demo.features if node != demo.node)
    demo.look(m="all", t="test", s=other)
    choose(demo, "Set", value=4)
    tried(demo)
    expect(demo.panel.locator("ol > li")).to_contain_text(re.compile("ablate.*; set 4"))
    assert len(result_of(demo)["results"]) == 1


def test_two_changes_of_the_same_feature_are_refused_with_a_sentence(demo):
    choose(demo, "Ablate")
    demo.panel.get_by_role("button", name="Add another change").click()
    demo.panel.get_by_role("button", name="Try it").click()
    expect(demo.panel.get_by_role("alert")).to_contain_text("leave one out", timeout=60_000)
    expect(demo.panel.locator("ol > li")).to_have_count(0)
    demo.panel.get_by_role("button", name="remove").click()
    tried(demo)
    expect(demo.panel.get_by_role("alert")).to_have_count(0)


def test_changed_features_are_coloured_on_the_graph(demo):
    picture = """() => document.querySelector('.surface > canvas').toDataURL()"""
    before = demo.page.evaluate(picture)
    choose(demo, "Ablate")
    tried(demo)
    demo.page.wait_for_function(f"(before) => ({picture})() !== before", arg=before)


def test_the_copied_python_does_the_same(demo, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose(demo, "Ablate")
    article = tried(demo)
    measured = result_of(demo)["results"][0]
    article.get_by_role("button", name="Copy as Python").click()
    expect(article.get_by_role("button", name="Copy as Python")).to_have_text("Copied")
    snippet = demo.page.evaluate("() => navigator.clipboard.readText()")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(snippet, {})
    assert measured["after"][0]["text"].strip() in said.getvalue()


def test_a_change_that_cannot_be_made_is_told(demo):
    choose(demo, "Patch", source="   ")
    expect(demo.panel.get_by_role("button", name="Try it")).to_be_disabled()
    expect(demo.panel.get_by_text("Write the other prompt first.")).to_be_visible()
    choose(demo, "Scale", value="")
    expect(demo.panel.get_by_role("button", name="Try it")).to_be_disabled()
    expect(demo.panel.get_by_text("Write a number first.")).to_be_visible()


def test_a_running_trial_is_cancelled(demo):
    choose(demo, "Scale", value=2)
    demo.panel.get_by_label("Tokens to generate").fill("200")
    demo.panel.get_by_label("five strengths").check()
    demo.panel.get_by_role("button", name="Try it").click()
    demo.panel.get_by_role("button", name="Cancel").click()
    expect(demo.panel.get_by_role("status")).to_have_count(0)
    expect(demo.panel.locator("ol > li")).to_have_count(0)


def test_one_button_swaps_the_strongest_word_and_boxes_show_what_is_left(demo):
    demo.look(m="chosen")
    demo.page.get_by_role("button", name="Does it matter?").click()
    section = demo.page.get_by_label("Does it matter?", exact=True)
    answers = section.get_by_label("Answers before and after").get_by_role("listitem")
    expect(answers.first).to_contain_text("Paris", timeout=60_000)
    strength = section.get_by_role("group", name="Strength of the swap").locator("[aria-pressed=true]")
    header = demo.page.get_by_role("button", name=f"Strength {strength.inner_text()}: leave the test")
    expect(header).to_be_visible()
    expect(demo.panel.locator("ol > li")).to_contain_text(re.compile('swap " France" for "'))
    demo.page.get_by_role("button", name="Story").click()
    left = demo.page.locator(".boxes svg, svg").get_by_text(re.compile(r"^\D?[0-9]+ %$"))
    expect(left.first).to_be_visible()
    header.click()
    expect(header).to_have_count(0)
    section.get_by_label("Another word").fill("Great Britain")
    section.get_by_role("button", name="Swap", exact=True).click()
    expect(section.get_by_role("alert")).to_contain_text("name a word of one token", timeout=60_000)
    expect(demo.panel.locator("ol > li")).to_have_count(1)
