"""The gallery on the library's first page: one click opens a copy, with its words and its history."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from clew.gallery.exhibits import exhibit_named, exhibits


def test_one_click_opens_an_annotated_graph_with_its_history(page: Page, server):
    server.empty()
    page.goto(server.url)
    shelf = page.get_by_role("region", name="Gallery")
    expect(shelf.get_by_role("button")).to_have_count(len(exhibits()))
    shelf.get_by_role("button", name="The capital of France is").click()
    exhibit = exhibit_named("capital")
    expect(page.get_by_text(exhibit.story)).to_be_visible()
    expect(page.get_by_text(exhibit.claims[0])).to_be_visible()
    expect(page.get_by_role("button", name="say a capital").first).to_be_visible()
    page.get_by_role("tab", name="Test").click()
    expect(page.get_by_role("button", name="run again")).to_have_count(len(exhibit.trials))
    assert len(server.entries()) == 1
