"""Two graphs side by side: nodes in both or in one, changed weights, the difference of two answers."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from clew.graph.comparison import compare
from clew.graph.feature_table import compare_features
from clew.graph.graph import NodeKind
from tests.web.graphs import features_of, with_true_influence, worded_graph


def relative(graph, seed=1):
    """The same prompt and model, with other weights, and some features that the other has not."""
    rng = np.random.default_rng(seed)
    feature = graph.node_feature.copy()
    own = graph.of_kind(NodeKind.FEATURE)[:5]
    feature[own] = feature[own] + 1000
    weight = (graph.edge_weight * rng.normal(1, 0.5, size=graph.n_edges)).astype(np.float32)
    return with_true_influence(replace(graph, node_feature=feature, edge_weight=weight))


@pytest.fixture
def pair(page: Page, server, tmp_path):
    """Two graphs, and their page."""
    left = with_true_influence(worded_graph(0, density=1.0))
    right = relative(left)
    ids = [server.add(left, tmp_path, "the left"), server.add(right, tmp_path, "the right")]
    page.goto(f"{server.url}/#/compare/{ids[0]}/{ids[1]}")
    expect(page.get_by_role("table", name="Nodes")).to_be_visible()
    return page, left, right, ids


def count_in(page, name):
    text = page.get_by_role("tab", name=re.compile(rf"^{name} \d")).locator(".count").inner_text()
    return int(text.replace(",", ""))


def test_as_many_nodes_on_each_side_as_python_finds(pair):
    page, left, right, _ = pair
    expected = compare(left, right)
    expect(page.get_by_text(expected.sentences[0])).to_be_visible()
    assert count_in(page, "In both, elsewhere") == len(expected.elsewhere)
    assert count_in(page, "In both") == len(expected.nodes)
    assert count_in(page, "Only left") == len(expected.only_left) == 5
    assert count_in(page, "Only right") == len(expected.only_right) == 5
    assert count_in(page, "Edges in both") == expected.n_edges


def test_nodes_only_on_one_side_are_listed_and_lead_to_their_graph(pair):
    page, left, right, ids = pair
    expected = compare(left, right)
    page.get_by_role("tab", name=re.compile("^Only right")).click()
    table = page.get_by_role("table", name="Nodes")
    expect(table.get_by_role("row")).to_have_count(6)
    names = " ".join(table.get_by_role("link").all_inner_texts())
    for node in expected.only_right:
        assert right.node_name(node).split("@")[0] in names
    table.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(f"#/g/{ids[1]}"))
    expect(page.get_by_label("Selected node")).to_be_visible()


def test_edges_in_both_show_the_change_of_their_weight(pair):
    page, left, right, _ = pair
    strongest = compare(left, right).edges[0]
    tabs = page.get_by_role("tab", name=re.compile("^In both \\d"))
    tabs.focus()
    page.keyboard.press("ArrowLeft")
    row = page.get_by_role("table", name="Edges in both graphs").get_by_role("row").nth(1)
    expect(row).to_contain_text(f"{abs(strongest.change):.2f}")


def test_search_kind_and_order(pair):
    page, *_ = pair
    rows = page.get_by_role("table", name="Nodes").get_by_role("row")
    before = rows.count()
    page.get_by_label("Kind of node").select_option(index=1)
    assert rows.count() < before
    page.get_by_label("Order").select_option("layer")
    page.get_by_role("searchbox", name="Search nodes").fill("zzzz")
    expect(page.get_by_text("Nothing matches the search.")).to_be_visible()


def test_two_graphs_are_chosen_in_the_library_by_keyboard(page, server, small, tmp_path):
    server.empty()
    for name in ["one", "two"]:
        server.add(small, tmp_path, name)
    page.goto(server.url)
    expect(page.get_by_role("row")).to_have_count(3)
    for key in ["ArrowDown", "Space", "ArrowDown", "Space"]:
        page.keyboard.press(key)
    page.get_by_role("button", name="Compare", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="Two graphs")).to_be_visible()
    expect(page.get_by_role("tab", name=re.compile("^Only left"))).to_contain_text("0")


def test_sides_are_swapped(pair):
    page, _, _, ids = pair
    page.get_by_role("link", name="Swap sides").click()
    expect(page).to_have_url(re.compile(f"#/compare/{ids[1]}/{ids[0]}"))
    expect(page.get_by_role("table", name="Nodes")).to_be_visible()


def test_the_difference_of_two_answers_is_told(page, server, tmp_path):
    left = with_true_influence(worded_graph(0, density=1.0))
    predictions = ((" sea", 0.7), (" lake", 0.2))
    left = left.with_info(predictions=predictions)
    right = left.with_info(predictions=((" lake", 0.6), (" sea", 0.3)))
    ids = [server.add(left, tmp_path), server.add(right, tmp_path)]
    page.goto(f"{server.url}/#/compare/{ids[0]}/{ids[1]}")
    section = page.get_by_label("Difference of two answers")
    expected = compare(left, right).difference
    assert expected is not None
    for logit in expected.logits:
        expect(section).to_contain_text(f"{abs(logit):.2f}")


def test_graphs_of_different_models_say_that_features_do_not_correspond(page, server, small, tmp_path):
    other = small.with_info(model="org/another")
    ids = [server.add(small, tmp_path), server.add(other, tmp_path)]
    page.goto(f"{server.url}/#/compare/{ids[0]}/{ids[1]}")
    expect(page.get_by_text("different models or dictionaries")).to_be_visible()


def test_a_graph_that_is_not_there_is_told(page, server, small, tmp_path, watch):
    watch.expected.append("404")
    page.goto(f"{server.url}/#/compare/{server.add(small, tmp_path)}/{'0' * 32}")
    expect(page.get_by_role("alert")).to_contain_text("graph")


@pytest.mark.parametrize("names", [("cold-clt-hp", "hive-clt-hp")])
def test_real_graphs_are_compared(page, server, shared_file, tmp_path, names):
    ids = [server.bring(shared_file(name)) for name in names]
    page.goto(f"{server.url}/#/compare/{ids[0]}/{ids[1]}")
    expect(page.get_by_role("table", name="Nodes")).to_be_visible()
    left, right = (server.graph(id, tmp_path) for id in ids)
    assert count_in(page, "In both") == len(compare(left, right).nodes)
    assert features_of(left)


def test_the_roles_of_chats_are_told_apart(page: Page, server, tmp_path):
    roles = ("user", "user", "template", "assistant")
    chat = (("user", "The river"), ("assistant", "into"))
    left = with_true_influence(worded_graph(0, density=1.0)).with_info(roles=roles, messages=chat)
    ids = [server.add(each, tmp_path, "a chat") for each in (left, relative(left))]
    page.goto(f"{server.url}/#/compare/{ids[0]}/{ids[1]}")
    tokens = page.get_by_role("list", name=re.compile("^Tokens of both prompts"))
    for role in set(roles):
        expect(tokens.get_by_title(role, exact=True)).to_have_count(2 * roles.count(role))
    colors = {
        tokens.get_by_title(role, exact=True).first.evaluate("each => getComputedStyle(each).boxShadow")
        for role in roles
    }
    assert len(colors) == 3


def test_three_graphs_are_a_table(page, server, tmp_path):
    left = with_true_influence(worded_graph(0, density=1.0))
    graphs = [left, relative(left), relative(left, seed=2)]
    ids = [server.add(graph, tmp_path, f"graph {number}") for number, graph in enumerate(graphs)]
    page.goto(f"{server.url}/#/compare/{'/'.join(ids)}")
    expected = compare_features(graphs)
    expect(page.get_by_role("row")).to_have_count(1 + len(expected.rows))
    page.get_by_label("only features in all graphs").check()
    expect(page.get_by_role("row")).to_have_count(1 + sum(row.n_graphs == 3 for row in expected.rows))
    page.get_by_role("row").nth(1).get_by_role("link").last.click()
    expect(page).to_have_url(re.compile(f"#/g/{ids[2]}"))
