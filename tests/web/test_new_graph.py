"""A new graph, with the real model: tokens while one types, progress, cancelling; the graph opens."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from clew.graph.graph import NodeKind

pytestmark = pytest.mark.real
WORK = 60_000
"""Milliseconds that the model may take on a busy machine."""


@pytest.fixture
def form(page, server, demo_file, watch):
    """The form, with the model loaded already (the demo graph was traced with it)."""
    page.goto(f"{server.url}/#/new")
    page.get_by_label("Model").select_option("smollm2")
    return page


def write(page, prompt):
    page.get_by_role("textbox", name="Prompt").fill(prompt)


def test_tokens_and_next_tokens_appear_while_one_types(form):
    form.get_by_role("textbox", name="Prompt").press_sequentially("The capital of", delay=20)
    tokens = form.get_by_role("group", name="Tokens of the prompt")
    expect(tokens).to_contain_text("3 tokens", timeout=WORK)
    form.get_by_role("textbox", name="Prompt").press_sequentially(" France is", delay=20)
    expect(tokens).to_contain_text("5 tokens", timeout=WORK)
    expect(tokens).to_contain_text("France")
    first = form.get_by_role("region", name="Next tokens").get_by_role("button").first
    expect(first).to_contain_text("Paris")
    expect(first).to_contain_text(re.compile(r"0\.\d\d"))


def test_a_traced_graph_opens_when_it_is_done(form, server, tmp_path):
    write(form, "The opposite of hot is")
    more = form.get_by_text("Advanced options")
    more.click()
    form.get_by_label("Features at most").fill("200")
    form.get_by_label("Name", exact=True).fill("opposites")
    target = form.get_by_role("region", name="Next tokens").get_by_role("button", name=re.compile("cold"))
    target.first.click(timeout=WORK)
    form.get_by_role("button", name="Trace", exact=True).click()
    expect(form.get_by_role("progressbar")).to_be_visible()
    expect(form).to_have_url(re.compile("#/g/"), timeout=WORK)
    expect(form.locator("header b")).to_have_text("The opposite of hot is")
    expect(form.get_by_role("list", name="Next tokens")).to_contain_text("cold")
    id = form.url.split("#/g/")[1].partition("?")[0]
    graph = server.graph(id, tmp_path)
    assert [target.text for target in graph.info.targets] == [" cold"]
    assert graph.info.whole.features == 200
    assert len(graph.of_kind(NodeKind.FEATURE)) < 200
    assert next(entry for entry in server.entries() if entry["id"] == id)["name"] == "opposites"


def test_tracing_is_started_by_keyboard_and_can_be_cancelled(form, server):
    count = len(server.entries())
    write(form, "When Mary and John went to the store, John gave a drink to")
    expect(form.get_by_role("group", name="Tokens of the prompt")).to_contain_text("14 tokens", timeout=WORK)
    form.keyboard.press("Control+Enter")
    form.get_by_role("button", name="Cancel").click()
    expect(form.get_by_text("Cancelled.")).to_be_visible(timeout=WORK)
    expect(form.get_by_role("button", name="Trace", exact=True)).to_be_enabled()
    assert len(server.entries()) == count


def test_what_cannot_be_traced_is_told(form):
    write(form, "The capital of France is")
    form.get_by_label("Another token to explain").fill("no single token at all")
    form.get_by_role("button", name="Add").click()
    alert = form.get_by_role("alert")
    expect(alert).to_contain_text("is not one token", timeout=WORK)
    expect(form.get_by_role("button", name="Trace", exact=True)).to_be_disabled()
    form.get_by_role("button", name="Remove no single token at all").click()
    expect(alert).to_have_count(0)
    form.get_by_label("Another token to explain").fill("id:7042 minus id:12")
    form.get_by_role("button", name="Add").click()
    expect(form.get_by_role("button", name="Trace", exact=True)).to_be_enabled()
    expect(alert).to_have_count(0)


def test_what_was_asked_survives_a_reload(form):
    write(form, "Fact: the capital of Germany is")
    form.reload()
    expect(form.get_by_role("textbox", name="Prompt")).to_have_value("Fact: the capital of Germany is")


def test_values_out_of_bounds_are_told_before_anything_runs(form):
    write(form, "The capital of France is")
    form.get_by_text("Advanced options").click()
    form.get_by_label("Node threshold").fill("3")
    expect(form.get_by_role("button", name="Trace", exact=True)).to_be_disabled()
    expect(form.get_by_label("Node threshold")).to_have_attribute("aria-invalid", "true")


def test_a_prompt_that_was_not_written_is_asked_for(form):
    expect(form.get_by_role("button", name="Trace", exact=True)).to_be_disabled()


def test_a_chat_is_written_message_by_message_and_traced(form, server, tmp_path):
    form.get_by_role("button", name="Chat", exact=True).click()
    form.get_by_label("User").fill("What is the capital of France?")
    form.get_by_role("button", name="Add an answer").click()
    form.get_by_label("Assistant").fill("The capital of France is")
    form.get_by_label("System").fill("Be brief.")
    tokens = form.get_by_role("group", name="Tokens of the prompt")
    expect(tokens.get_by_title(re.compile("Token .*, assistant"))).to_have_count(5, timeout=WORK)
    expect(tokens.get_by_title(re.compile("Token .*, system"))).to_have_count(3)
    form.get_by_text("Advanced options").click()
    form.get_by_label("Features at most").fill("100")
    form.get_by_role("button", name="Trace", exact=True).click()
    expect(form).to_have_url(re.compile("#/g/"), timeout=WORK)
    expect(form.locator("header b")).to_have_text("What is the capital of France? / The capital of France is")
    graph = server.graph(form.url.split("#/g/")[1].partition("?")[0], tmp_path)
    assert graph.info.messages[0] == ("system", "Be brief.")
    assert " Paris" in [target.text for target in graph.info.targets]
