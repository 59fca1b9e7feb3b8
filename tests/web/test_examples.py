"""Texts that a feature fires on, with histogram, tokens, labels and search; also without a server."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import expect

from clew.graph.graph import NodeKind
from clew.index.exchange.feature_file import TOP, FileExample, Quantile
from tests.web.graph_page import GraphPage, wait_until
from tests.web.graphs import features_of, with_true_influence, worded_graph
from tests.web.indexes import (
    COUNTS,
    EDGES,
    by_model,
    by_rule,
    details,
    features_with_words,
    make_index,
    never_seen,
    place_of,
)
from tests.web.test_accessibility import AXE, assert_accessible

MINUS = "\N{MINUS SIGN}"
WHOLE = {"m": "all", "n": "1", "e": "1"}
SIDE = "element => getComputedStyle(element).getPropertyValue('--own-color').trim()"
SHADE = "element => getComputedStyle(element).backgroundColor"
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
STRENGTH = "element => element.style.getPropertyValue('--strength')"


@pytest.fixture
def indexed(show, small, server, tmp_path):
    """`indexed(node, label="...")`: the page of the small graph at a node, with an index of its features."""

    def open_page(node, **more):
        own = details(*place_of(small, node), word_of(small, node), **more)
        make_index(server, tmp_path, small, [own])
        return show(small, **WHOLE, s=node)

    return open_page


def feature_with(graph, sign):
    """The most influential feature whose activation has this sign."""
    return next(node for node in features_of(graph) if sign * activation_of(graph, node) > 0)


def activation_of(graph, node):
    return float(graph.node_activation[graph.node_ids.index(node)])


def name_of(graph, node):
    return graph.feature_name(graph.node_ids.index(node))


def word_of(graph, node):
    return features_with_words(graph)[place_of(graph, node)]


def fires(opened):
    return opened.page.get_by_role("group", name="Fires on")


def chips(opened, title):
    return fires(opened).locator("div", has_text=title).last


def heading(opened):
    return opened.page.get_by_label("Selected node").get_by_role("heading", level=2)


def label(opened, text, where=None):
    """Label the selected node by keyboard, where it is said to hold."""
    opened.surface.focus()
    opened.press("l")
    opened.page.get_by_role("textbox", name="Label").fill(text)
    if where:
        opened.page.get_by_label("Where the label applies").select_option(where)
    opened.page.get_by_role("button", name="Save").click()


def called(opened, graph, node):
    """The index's label of a node's feature, as the server sends it."""
    labels = opened.server.api.get(f"/graphs/{opened.id}/index").json()["labels"]
    found = labels.get(name_of(graph, node))
    return found and found["text"]


def search(opened, text):
    """Type it; what is found in texts."""
    opened.page.get_by_role("combobox", name="Search nodes").fill(text)
    return opened.page.get_by_role("group", name="In example texts")


def exported(opened, tmp_path, new_context):
    """The page as one file, opened where there is no network."""
    path = tmp_path / "alone.html"
    path.write_bytes(opened.server.exported(opened.id, "html"))
    page = new_context(offline=True).new_page()
    page.goto(path.as_uri())
    page.get_by_role("group", name="Story of the graph").wait_for()
    return GraphPage(page, opened.server, opened.id)


# Texts, histogram, tokens


def test_texts_stand_in_the_panel_the_strongest_first(indexed, small):
    node = feature_with(small, 1)
    panel = fires(indexed(node))
    texts = panel.get_by_role("list", name="Strongest").get_by_role("listitem")
    expect(texts).to_have_count(5)
    for number in range(3):
        expect(texts.nth(number)).to_contain_text(f"line {number} speaks of a {word_of(small, node)} today↵")
        expect(texts.nth(number).locator(".number")).to_have_text(f"{8 - number / 2:.2f}")
    panel.get_by_role("button", name="5 more").click()
    expect(texts).to_have_count(7)
    expect(panel.get_by_role("list", name="from 1 to 2").get_by_role("listitem")).to_have_count(1)
    expect(panel.get_by_role("list", name="Most negative").get_by_role("listitem")).to_have_count(2)
    panel.get_by_role("button", name="Fewer").click()
    expect(texts).to_have_count(5)


def test_a_feature_that_is_negative_here_shows_its_negative_texts_first(indexed, small):
    panel = fires(indexed(feature_with(small, -1)))
    first = panel.get_by_role("list").first
    expect(first).to_have_accessible_name("Most negative")
    expect(first.get_by_role("listitem").first).to_contain_text("speaks of a shadow")
    expect(first.locator(".number").first).to_have_text(f"{MINUS}4.00")


def test_tokens_are_shaded_by_sign_and_strength_and_the_peak_is_marked(indexed, small):
    node = feature_with(small, 1)
    panel = fires(indexed(node))
    first, fifth = (panel.get_by_role("listitem").nth(place) for place in (0, 4))
    peak, weaker, after = (
        first.get_by_role("strong"),
        fifth.get_by_role("strong"),
        first.locator("span.lowers"),
    )
    expect(peak).to_have_text(f" {word_of(small, node)}")
    expect(after).to_have_text(" today↵")
    assert peak.get_attribute("title") == "8.00"
    assert peak.evaluate(SIDE) != after.evaluate(SIDE)
    assert [token.evaluate(STRENGTH) for token in (peak, weaker, after)] == ["100%", "75%", "25%"]
    shades = [token.evaluate(SHADE) for token in (peak, weaker, after, first.locator("p"))]
    assert len(set(shades)) == 4


def test_texts_are_cut_around_the_peak_and_whole_when_asked(show, small, server, tmp_path):
    node = feature_with(small, 1)
    words = tuple(f" word{number}" for number in range(40))
    text = FileExample(words, tuple(9.0 if place == 20 else 0.0 for place in range(40)), peak=20)
    one = replace(details(*place_of(small, node), "long"), quantiles=(Quantile(TOP, (text,)),))
    make_index(server, tmp_path, small, [one])
    panel = fires(show(small, **WHOLE, s=node))
    item = panel.get_by_role("listitem").first
    expect(item).to_contain_text("word20")
    expect(item).not_to_contain_text("word39")
    panel.get_by_role("button", name="Whole texts").click()
    expect(item).to_contain_text("word0 word1 ")
    expect(item).to_contain_text("word39")


@pytest.mark.parametrize("sign", [1, -1])
def test_the_activation_on_this_prompt_stands_in_the_histogram(indexed, small, sign):
    node = feature_with(small, sign)
    figure = fires(indexed(node)).get_by_role("figure")
    expect(figure.locator("rect")).to_have_count(len(COUNTS))
    share, place = below(activation_of(small, node))
    mark = figure.locator(".mark").evaluate("element => parseFloat(element.style.left)")
    assert mark == pytest.approx(100 * place / len(COUNTS), abs=0.01)
    said = figure.locator("figcaption").inner_text()
    told = re.match(rf"Here ({MINUS}?)[\d.]+, (\w+) than at (?:over )?([\d.]+) % of positions", said)
    assert told, said
    assert told[1] == ("" if sign > 0 else MINUS)
    assert told[2] == ("higher" if sign > 0 else "lower")
    expected = 100 * (share if sign > 0 else 1 - share)
    assert float(told[3]) == pytest.approx(expected, abs=0.51 if expected < 99 else 0.06)


def below(value):
    """Share of the made-up positions below a value that is not zero, and its place among the bins."""
    known, bins, edges = np.cumsum([0, *COUNTS]), np.arange(len(EDGES)), np.array(EDGES)
    side = edges[:4] if value < 0 else edges[4:]
    of_side = slice(0, 4) if value < 0 else slice(4, None)
    return np.interp(value, side, known[of_side]) / known[-1], np.interp(value, side, bins[of_side])


def test_how_often_it_is_active_and_on_which_tokens(indexed, small):
    node = feature_with(small, 1)
    opened = indexed(node)
    word = word_of(small, node)
    expect(fires(opened)).to_contain_text("active at 30 % of 1,000 tokens.")
    expect(chips(opened, "peaks most often on")).to_contain_text(f"·{word}100 %")
    expect(chips(opened, "highest on")).to_contain_text(f"·{word}8.00")


def test_where_it_is_negative_the_tokens_are_those_of_that_side(indexed, small):
    opened = indexed(feature_with(small, -1))
    expect(chips(opened, "most often most negative on")).to_contain_text("·shadow100 %")
    expect(chips(opened, "lowest on")).to_contain_text(f"·shadow{MINUS}4.00")


def test_a_feature_that_was_never_active_is_said_to_be_so(show, small, server, tmp_path):
    node = features_of(small)[0]
    make_index(server, tmp_path, small, [never_seen(*place_of(small, node))])
    panel = fires(show(small, **WHOLE, s=node))
    expect(panel).to_contain_text("Never active in 1,000 tokens of these texts.")
    expect(panel.get_by_role("figure")).to_have_count(0)


def test_output_tokens_come_from_the_index_where_the_graph_has_none(show, small, server, tmp_path):
    graph = replace(small, output_tokens=None)
    ups, downs = feature_with(graph, 1), feature_with(graph, -1)
    make_index(server, tmp_path, graph)
    opened: GraphPage = show(graph, **WHOLE, s=ups)
    expect(chips(opened, "promotes")).to_contain_text(f"·{word_of(graph, ups)}s")
    opened.look(**WHOLE, s=downs)
    expect(chips(opened, "promotes")).to_contain_text("·never")


def test_an_unfinished_index_says_so(show, small, server, tmp_path):
    place = make_index(server, tmp_path, small)
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("UPDATE about SET value = ? WHERE key = 'complete'", [json.dumps(False)])
    opened: GraphPage = show(small, **WHOLE, s=features_of(small)[0])
    expect(fires(opened)).to_contain_text("of 1,000 tokens so far.")
    expect(fires(opened)).to_contain_text("The index is not finished")
    opened.tab("About")
    about = opened.page.get_by_label("About this graph")
    expect(about).to_contain_text("1,000 tokens of imported from details, not finished")


def test_without_an_index_it_says_how_to_make_one(show, small, server, tmp_path):
    opened: GraphPage = show(small, **WHOLE, s=features_of(small)[0])
    command = f"clew index --model {small.info.model} --dictionary neurons --data FOLDER"
    expect(fires(opened)).to_contain_text(command)
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    fires(opened).get_by_role("button", name="Copy").click()
    expect(fires(opened).get_by_role("button", name="Copied")).to_be_visible()
    assert opened.page.evaluate("navigator.clipboard.readText()") == command
    make_index(server, tmp_path, small)
    fires(opened).get_by_role("button", name="Check again").click()
    expect(fires(opened).get_by_role("listitem").first).to_be_visible()


def test_a_name_that_a_shell_would_take_apart_is_quoted(show, small):
    graph = small.with_info(model="my model; rm 'x'")
    opened: GraphPage = show(graph, **WHOLE, s=features_of(graph)[0])
    expect(fires(opened)).to_contain_text(r"--model 'my model; rm '\''x'\''' --dictionary neurons")


def test_an_index_that_cannot_be_read_is_told_and_hides_nothing_else(show, small, server, tmp_path):
    place = make_index(server, tmp_path, small)
    place.write_bytes(b"no database at all" * 100)
    opened: GraphPage = show(small, **WHOLE, s=features_of(small)[0])
    expect(fires(opened).get_by_role("status")).to_contain_text(place.name)
    expect(opened.details.get_by_role("heading", name="Inputs")).to_be_visible()


def test_a_feature_that_cannot_be_fetched_is_told_and_asked_again(show, small, server, tmp_path, watch):
    watch.expected.append("ERR_FAILED")
    make_index(server, tmp_path, small)
    opened: GraphPage = show(small, m="all")
    opened.page.route("**/features/**", lambda route: route.abort())
    opened.look(m="all", s=features_of(small)[0])
    expect(fires(opened)).to_contain_text("The server does not answer")
    opened.page.unroute("**/features/**")
    fires(opened).get_by_role("button", name="Try again").click()
    expect(fires(opened).get_by_role("listitem").first).to_be_visible()


def test_nothing_below_jumps_while_the_next_features_texts_come(indexed, small):
    nodes = [node for node in features_of(small) if activation_of(small, node) > 0]
    opened = indexed(nodes[0])
    expect(fires(opened).get_by_role("listitem")).to_have_count(5)
    held = []
    opened.page.route("**/features/**", lambda route: held.append(route))
    before = fires(opened).bounding_box()
    opened.look(**WHOLE, s=nodes[1])
    expect(fires(opened)).to_contain_text("Loading example texts…")
    coming = fires(opened).bounding_box()
    assert before
    assert coming
    assert coming["height"] == pytest.approx(before["height"], abs=1)
    for route in held:
        route.continue_()
    expect(fires(opened)).to_contain_text(f"speaks of a {word_of(small, nodes[1])}")


def test_errors_fire_on_nothing(show, small, server, tmp_path):
    make_index(server, tmp_path, small)
    opened: GraphPage = show(small, **WHOLE, s=small.node_id(small.of_kind(NodeKind.ERROR)[0]))
    expect(opened.page.get_by_label("Selected node")).to_be_visible()
    expect(fires(opened)).to_have_count(0)


# Names


def test_a_label_made_by_rule_is_a_name_and_known_as_such(indexed, small):
    opened = indexed(features_of(small)[0], **by_rule("on rivers; says water"))
    expect(heading(opened).locator("em")).to_have_text("on rivers; says water")
    expect(opened.details).to_contain_text("made from its tokens by a rule")
    opened.look(m="all")
    listed = opened.page.get_by_label("Overview").get_by_role("button", name="on rivers; says water")
    expect(listed.locator("em")).to_be_visible()
    row = opened.page.get_by_label("Overview").locator("li", has_text="on rivers; says water")
    expect(row.locator("small")).to_have_text(small.node_name(small.node_ids.index(features_of(small)[0])))


def test_a_language_models_label_tells_its_source_and_how_sure_it_is(indexed, small):
    opened = indexed(features_of(small)[0], **by_model("where rivers end", 0.8))
    expect(heading(opened)).to_contain_text("where rivers end")
    expect(heading(opened).locator("em")).to_have_count(0)
    origin = opened.details.get_by_text("by the language model tiny-chat, 80 % sure")
    expect(origin).to_have_attribute("title", re.compile(r"\d{4} at \d\d:\d\d"))


def test_a_persons_label_of_the_graph_goes_before_that_of_the_index(indexed, small, server):
    node = features_of(small)[0]
    opened = indexed(node, **by_model("where rivers end", 0.8))
    server.annotate(opened.id, {f"feature:{name_of(small, node)}": "mine"})
    opened.reloaded()
    expect(heading(opened)).to_contain_text("mine")
    expect(opened.details).not_to_contain_text("tiny-chat")


# Labelling


def test_a_new_label_goes_into_the_index_and_can_be_taken_back(indexed, small):
    node = features_of(small)[0]
    opened = indexed(node, **by_rule("on rivers"))
    label(opened, "where rivers end")
    expect(heading(opened)).to_contain_text("where rivers end")
    expect(opened.details).to_contain_text("by a person")
    assert called(opened, small, node) == "where rivers end"
    assert opened.saved() == {}
    opened.press("Control+z")
    expect(heading(opened).locator("em")).to_have_text("on rivers")
    assert called(opened, small, node) == "on rivers"
    opened.press("Control+Shift+z")
    expect(heading(opened)).to_contain_text("where rivers end")
    opened.reloaded()
    expect(heading(opened)).to_contain_text("where rivers end")


@pytest.mark.parametrize(
    ("where", "key"), [("at this position only", "label"), ("in all graphs of this library", "feature")]
)
def test_a_narrower_label_stands_before_the_index_and_leaves_it_alone(indexed, small, where, key):
    node = features_of(small)[0]
    opened = indexed(node, **by_rule("on rivers"))
    label(opened, "my own", where)
    expect(heading(opened)).to_contain_text("my own")
    name = node if key == "label" else name_of(small, node)
    assert opened.saved_once(bool) == {f"{key}:{name}": "my own"}
    assert called(opened, small, node) == "on rivers"
    opened.press("Control+z")
    expect(heading(opened).locator("em")).to_have_text("on rivers")
    opened.press("Control+Shift+z")
    expect(heading(opened)).to_contain_text("my own")
    opened.saved_once(bool)
    opened.reloaded()
    expect(heading(opened)).to_contain_text("my own")


def test_a_label_that_is_made_to_hold_everywhere_takes_the_narrower_ones_away(indexed, small):
    node = features_of(small)[0]
    opened = indexed(node)
    by_rule = called(opened, small, node)
    label(opened, "in the library", "in all graphs of this library")
    label(opened, "here", "at this position only")
    label(opened, "everywhere", "in the index, for every graph")
    expect(heading(opened)).to_contain_text("everywhere")
    opened.saved_once(lambda values: not values)
    opened.press("Control+z")
    expect(heading(opened)).to_contain_text("here")
    both = {f"feature:{name_of(small, node)}": "in the library", f"label:{node}": "here"}
    opened.saved_once(lambda values: values == both)
    assert called(opened, small, node) == by_rule


def test_editing_begins_with_the_label_that_stands_there_and_where_it_holds(indexed, small):
    opened = indexed(features_of(small)[0], **by_model("where rivers end", 0.8))
    where = opened.page.get_by_label("Where the label applies")
    heading(opened).get_by_role("button").click()
    expect(opened.page.get_by_role("textbox", name="Label")).to_have_value("where rivers end")
    expect(where).to_have_value("index")
    opened.press("Enter")
    expect(heading(opened)).to_contain_text("where rivers end")
    expect(opened.details).to_contain_text("tiny-chat")
    label(opened, "here", "at this position only")
    heading(opened).get_by_role("button").click()
    expect(opened.page.get_by_role("textbox", name="Label")).to_have_value("here")
    expect(where).to_have_value("position")


def test_an_automatic_label_cannot_be_emptied(indexed, small):
    opened = indexed(features_of(small)[0], **by_rule("on rivers"))
    label(opened, "")
    expect(opened.details.get_by_role("alert")).to_contain_text("Write another in its place.")
    opened.page.get_by_role("button", name="Cancel").click()
    expect(heading(opened)).to_contain_text("on rivers")


def test_a_label_that_the_index_does_not_take_is_told_and_stays_in_the_field(indexed, small, watch):
    watch.expected.append("ERR_FAILED")
    opened = indexed(features_of(small)[0])
    opened.page.route("**/label", lambda route: route.abort())
    label(opened, "where rivers end")
    expect(opened.details.get_by_role("alert")).to_contain_text("The server does not answer")
    expect(opened.page.get_by_role("textbox", name="Label")).to_have_value("where rivers end")
    expect(opened.page.get_by_role("button", name="Undo", exact=True)).to_be_disabled()
    opened.page.unroute("**/label")
    opened.page.get_by_role("button", name="Save").click()
    expect(heading(opened)).to_contain_text("where rivers end")


def test_a_label_that_cannot_be_taken_back_is_told(indexed, small, watch):
    watch.expected.append("ERR_FAILED")
    opened = indexed(features_of(small)[0])
    label(opened, "where rivers end")
    expect(heading(opened)).to_contain_text("where rivers end")
    opened.page.route("**/label", lambda route: route.abort())
    opened.press("Control+z")
    expect(opened.page.get_by_text("The server does not answer")).to_be_visible()
    expect(heading(opened)).to_contain_text("where rivers end")


def test_other_graphs_and_other_pages_hear_of_a_label_at_once(indexed, small, server, tmp_path, new_context):
    node = features_of(small)[0]
    opened = indexed(node)
    same = server.add(small.with_info(prompt="Another prompt"), tmp_path)
    other = GraphPage(new_context().new_page(), server, same).open(**WHOLE, s=node)
    expect(fires(other).get_by_role("listitem").first).to_be_visible()
    label(opened, "where rivers end")
    for page in (opened, other):
        expect(heading(page)).to_contain_text("where rivers end")
    opened.press("Control+z")
    expect(heading(other)).not_to_contain_text("where rivers end")


# Search


def test_features_are_found_by_the_texts_that_they_fire_on(indexed, small):
    nodes = features_of(small)
    opened = indexed(nodes[0])
    found = search(opened, f"today {word_of(small, nodes[5])}").get_by_role("option")
    wanted = found.filter(has_text=f'"{word_of(small, nodes[5])}"')
    expect(wanted).to_contain_text(f"speaks of a {word_of(small, nodes[5])} today")
    expect(opened.page.locator(".results > p.quiet").first).to_contain_text("0 nodes")
    place = found.all_inner_texts().index(wanted.inner_text())
    opened.press(*["ArrowDown"] * place, "Enter")
    expect(opened.page).to_have_url(re.compile(rf"s={nodes[5]}($|&)"))


def test_filters_hold_for_what_texts_find_too(indexed, small):
    opened = indexed(features_of(small)[0])
    pairs = {place_of(small, node) for node in features_of(small)}
    found = search(opened, "today layer:1").get_by_role("option")
    expect(found).to_have_count(sum(layer == 1 for layer, _ in pairs))
    words = {word_of(small, node) for node in features_of(small) if place_of(small, node)[0] == 1}
    named = {text.split('"')[1] for text in found.all_inner_texts()}
    assert named <= words | {"shadow"}  # the word of all features whose activations are negative
    assert named & words


def test_labels_of_the_index_are_searched_like_any_others(indexed, small):
    node = features_of(small)[3]
    opened = indexed(node, **by_model("mouth of a delta", 0.9))
    search(opened, "mouth of")
    expect(opened.page.get_by_role("option")).to_have_count(1)
    opened.press("Enter")
    expect(opened.page).to_have_url(re.compile(rf"s={node}($|&)"))


def test_a_late_answer_to_what_is_no_longer_asked_is_dropped(indexed, small):
    opened = indexed(features_of(small)[0])
    late = []
    opened.page.route("**/texts?query=shadow*", lambda route: late.append(route))
    search(opened, "shadow")
    wait_until(opened.page, lambda: bool(late), "texts are searched for shadows")
    found = search(opened, f"today {word_of(small, features_of(small)[5])}")
    expect(found.get_by_role("option").first).to_be_visible()
    before = found.inner_text()
    with opened.page.expect_response("**/texts?query=shadow*"):
        late[0].fulfill(json=[{"feature": name_of(small, features_of(small)[6]), "snippet": "late"}])
    opened.page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    assert found.inner_text() == before


def test_a_search_of_texts_that_fails_is_told_and_leaves_the_nodes(indexed, small, watch):
    watch.expected.append("ERR_FAILED")
    opened = indexed(features_of(small)[0])
    opened.page.route("**/texts?*", lambda route: route.abort())
    search(opened, "river")
    expect(opened.page.locator(".results .warning")).to_contain_text("The server does not answer")
    expect(opened.page.get_by_role("option").first).to_be_visible()


# Away from the server, and in bad company


def test_an_exported_page_has_texts_labels_and_search(indexed, small, tmp_path, new_context):
    node = feature_with(small, 1)
    away = exported(indexed(node, **by_model("where rivers end", 0.8)), tmp_path, new_context)
    away.page.get_by_label("Overview").get_by_role("button", name="where rivers end").click()
    expect(fires(away).get_by_role("listitem")).to_have_count(5)
    expect(fires(away)).to_contain_text(f"speaks of a {word_of(small, node)} today↵")
    expect(fires(away).get_by_role("figure")).to_contain_text("of positions")
    expect(away.details).to_contain_text("tiny-chat, 80 % sure")
    found = search(away, f"today {word_of(small, features_of(small)[5])}").get_by_role("option")
    expect(found.first).to_contain_text("speaks of a")
    found.first.click()
    heading(away).get_by_role("button").click()
    options = away.page.get_by_label("Where the label applies").locator("option")
    expect(options).to_have_text(["at this position only", "in this file"])


def test_an_exported_page_says_what_it_leaves_out(show, server, tmp_path, new_context):
    graph = with_true_influence(worded_graph(0, per_cell=30))
    make_index(server, tmp_path, graph)
    away = exported(show(graph), tmp_path, new_context)
    least = features_of(graph)[-1]
    away.page.get_by_role("combobox", name="Search nodes").fill(name_of(graph, least))
    away.press("Enter")
    left_out = (
        "This file has example texts for the 300 most influential features only, and this is not one of them."
    )
    expect(fires(away)).to_contain_text(left_out)


def test_an_exported_page_without_an_index_says_so(show, small, tmp_path, new_context):
    away = exported(show(small), tmp_path, new_context)
    away.page.get_by_label("Overview").get_by_role("button", name=re.compile("^L")).first.click()
    expect(fires(away)).to_contain_text("This file has no example texts.")


def test_texts_that_mean_harm_show_as_text(show, small, server, tmp_path, new_context):
    evil = "<img src=x onerror=\"document.title='run'\">\u202e"
    node = feature_with(small, 1)
    make_index(server, tmp_path, small, [details(*place_of(small, node), evil, **by_model(evil, 0.5))])
    opened: GraphPage = show(small, **WHOLE, s=node)
    shown = evil.replace("\u202e", "\\u202e")
    expect(fires(opened).get_by_role("strong").first).to_contain_text("<img")
    expect(chips(opened, "highest on")).to_contain_text(shown.split(" ")[0])
    expect(heading(opened)).to_contain_text("<img src=x")
    search(opened, "onerror")
    expect(opened.page.get_by_role("option").first).to_be_visible()
    away = exported(opened, tmp_path, new_context)
    away.page.get_by_label("Overview").get_by_role("button", name="<img").click()
    expect(fires(away)).to_contain_text("onerror=\"document.title='run'\">\\u202e")
    for page in (opened.page, away.page):
        assert page.locator("img").count() == 0
        assert page.title() != "run"


def test_a_long_word_in_a_text_does_not_widen_the_panel(show, small, server, tmp_path):
    node = feature_with(small, 1)
    make_index(server, tmp_path, small, [details(*place_of(small, node), "long" * 200)])
    opened: GraphPage = show(small, **WHOLE, s=node)
    expect(fires(opened).get_by_role("listitem").first).to_be_visible()
    panel = opened.page.locator("#panel")
    assert panel.evaluate("element => element.scrollWidth <= element.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_core_finds_no_fault(small, server, tmp_path, new_context, scheme):
    context = new_context(color_scheme=scheme, reduced_motion="reduce")
    context.add_init_script(path=AXE)
    nodes = features_of(small)
    own = details(*place_of(small, nodes[0]), word_of(small, nodes[0]), **by_rule("on rivers"))
    make_index(server, tmp_path, small, [own, never_seen(*place_of(small, nodes[1]))])
    opened = GraphPage(context.new_page(), server, server.add(small, tmp_path)).open(m="all", s=nodes[0])
    fires(opened).get_by_role("button", name=re.compile("more")).click()
    assert_accessible(opened.page)
    heading(opened).get_by_role("button").click()
    assert_accessible(opened.page)
    opened.press("Escape")
    search(opened, "speaks").get_by_role("option").first.wait_for()
    assert_accessible(opened.page)
    opened.look(m="all", s=nodes[1])
    expect(fires(opened)).to_contain_text("Never active")
    assert_accessible(opened.page)
