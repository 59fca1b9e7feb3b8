"""The panel of a node: its numbers, output tokens, inputs and outputs, and jumps along them."""

from __future__ import annotations

import re

import numpy as np
from playwright.sync_api import expect

from clew.graph.graph import NodeKind
from clew.graph.influence import edge_shares, output_shares
from tests.web.graph_page import GraphPage
from tests.web.graphs import features_of

MINUS = "\N{MINUS SIGN}"
WHOLE = {"m": "all", "n": "1", "e": "1"}


def middle_feature(graph):
    """An influential feature with inputs and outputs."""
    for node in features_of(graph):
        index = graph.node_ids.index(node)
        if (graph.edge_target == index).sum() > 3 and (graph.edge_source == index).sum() > 3:
            return index
    raise AssertionError("no such feature")


def signed(value):
    return f"{MINUS if value < 0 else '+'}{abs(value):.2f}"


def rows(opened, title):
    return opened.details.locator("div", has=opened.page.get_by_role("heading", name=title)).last.locator(
        "li"
    )


def test_it_says_what_python_knows_of_a_feature(show, small):
    index = middle_feature(small)
    opened: GraphPage = show(small, **WHOLE, s=small.node_id(index))
    panel = opened.page.get_by_label("Selected node")
    expect(panel.get_by_role("heading", level=2)).to_contain_text(small.node_name(index))
    share = 100 * output_shares(small)[index]
    expect(panel.locator("dl div", has_text="influence")).to_contain_text(
        f"{share:.1f} %" if share < 10 else f"{share:.0f} %"
    )
    activation = abs(float(small.node_activation[index]))
    expect(panel.locator("dl div", has_text="activation")).to_contain_text(
        f"{activation:.2f}" if activation >= 1 else f"{activation:.3f}"
    )
    expect(panel.locator("dl div", has_text="inputs")).to_contain_text(
        str((small.edge_target == index).sum())
    )
    for token in small.promoted(index, 3):
        expect(panel.locator(".tokens")).to_contain_text(token.strip())


def test_inputs_are_sorted_with_weights_and_shares(show, small):
    index = middle_feature(small)
    opened: GraphPage = show(small, **WHOLE, s=small.node_id(index))
    edges = np.flatnonzero(small.edge_target == index)
    edges = edges[np.argsort(-np.abs(small.edge_weight[edges]), kind="stable")]
    shares = edge_shares(small)
    found = rows(opened, "Inputs")
    for place, edge in enumerate(edges[:4]):
        row = found.nth(place)
        expect(row).to_contain_text(signed(float(small.edge_weight[edge])))
        share = 100 * abs(shares[edge])
        expect(row).to_contain_text(f"{share:.1f} %" if share < 10 else f"{share:.0f} %")


def test_jump_along_an_edge_by_mouse_and_by_keyboard(show, small):
    index = middle_feature(small)
    opened: GraphPage = show(small, **WHOLE, s=small.node_id(index))
    edges = np.flatnonzero(small.edge_target == index)
    strongest = edges[np.argmax(np.abs(small.edge_weight[edges]))]
    rows(opened, "Inputs").first.get_by_role("button").click()
    source = small.node_id(small.edge_source[strongest])
    expect(opened.page).to_have_url(re.compile(rf"s={source}($|&)"))
    button = rows(opened, "Outputs").first.get_by_role("button")
    button.focus()
    opened.press("ArrowDown", "Enter")
    expect(opened.page).not_to_have_url(re.compile(rf"s={source}($|&)"))


def test_pointing_at_an_edge_shows_its_node(show, small):
    opened: GraphPage = show(small, **WHOLE, s=small.node_id(middle_feature(small)))
    rows(opened, "Inputs").first.hover()
    expect(opened.card).to_be_visible()


def test_errors_tokens_and_outputs_have_their_own_panels(show, small):
    opened: GraphPage = show(small, **WHOLE)
    said = {
        NodeKind.ERROR: "An error node has no inputs",
        NodeKind.TOKEN: "of the prompt",
        NodeKind.TARGET: "probability",
    }
    for kind, text in said.items():
        opened.look(**WHOLE, s=small.node_id(small.of_kind(kind)[0]))
        expect(opened.page.get_by_label("Selected node")).to_contain_text(text)


def test_the_answer_line_chooses_an_output(show, small):
    opened: GraphPage = show(small, **WHOLE)
    answers = opened.page.get_by_role("list", name="Next tokens")
    answers.get_by_role("button").first.click()
    expect(opened.page.get_by_label("Selected node")).to_contain_text("probability")


def test_about_tells_where_the_graph_came_from(show, small):
    opened: GraphPage = show(small, **WHOLE, t="about")
    about = opened.page.get_by_label("About this graph")
    for text in [small.info.prompt, small.info.model, "max nodes"]:
        if text == "max nodes":
            about.get_by_text("Settings").click()
        expect(about).to_contain_text(text)
