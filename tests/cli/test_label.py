"""`clew label` and `clew index import|export` as they are typed, with a stand-in for the endpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clew.graph.graph import NodeKind
from clew.index.exchange.exporting import details_of
from clew.index.labels.graph_features import features_of
from clew.index.storage.index import open_index
from clew.index.storage.labels import Label
from clew.index.storage.locations import default_location
from tests.graph.random_graphs import random_graph
from tests.index.example_index import N_FEATURES, make_index
from tests.index.stand_in_endpoint import Answer, Request, StandIn, knowing, problem, said, serving

from .conftest import Run


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return make_index(tmp_path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Named in the environment, with a key and a model."""
    monkeypatch.setattr("clew.index.labels.endpoint.FIRST_WAIT", 0.0)
    with serving() as stand_in:
        monkeypatch.setenv("OPENAI_BASE_URL", stand_in.url)
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        monkeypatch.setenv("CLEW_LABEL_MODEL", "stand-in")
        yield stand_in


def labels(path: Path) -> dict[int, Label]:
    with open_index(path) as index:
        found = index.labels((2, number) for number in range(N_FEATURES))
    return {feature.index: label for feature, label in found.items()}


def test_features_are_labelled(run: Run, index: Path, server: StandIn):
    outcome = run("label", index, "--yes", "--price-in", 1, "--price-out", 4)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[:2] == [
        "6 features to label; 0 have a label already.",
        f"  Texts of the index go to {server.url} (stand-in).",
    ]
    assert outcome.out.splitlines()[3:] == [
        "Labelled  6 of 6 features",
        "  11 requests, 1,100 tokens read and 110 written, cost 0.00154",
    ]
    assert {request.key for request in server.requests} == {"Bearer secret"}
    found = labels(index)
    assert {number: label.text for number, label in found.items()} == {
        **{0: "cat", 1: "cow", 2: "hen"},
        **{3: "dog (negative)", 4: "pig", 5: "fox"},
    }
    assert (found[0].source, found[0].author, found[0].confidence) == ("model", "stand-in", 1.0)
    assert json.loads(found[0].detail or "") == {"prompts": 1, "side": "positive", "active": 4, "others": 4}
    assert found[3].confidence == 1.0
    assert found[5].confidence is None, "two texts are too few to hold one back"


def test_what_is_labelled_is_left_alone(run: Run, index: Path, server: StandIn):
    with open_index(index, writable=True) as opened:
        opened.set_label(2, 1, "my own word")
        opened.set_label(2, 2, "by rule", "tokens")
    assert run("label", index, "--yes", "--limit", 3).out.startswith(
        "3 features to label; 1 have a label already."
    )
    assert labels(index)[1].text == "my own word"
    assert labels(index)[2].text == "by rule", "three were wanted, the most frequent"
    assert run("label", index, "--yes", "--limit", 3).out.startswith(
        "2 features to label; 4 have a label already."
    )
    assert labels(index)[2].text == "hen"
    assert set(labels(index)) == set(range(6))
    asked = len(server.requests)
    assert run("label", index, "--yes", "--limit", 3).out == "Nothing to do: 6 have a label already.\n"
    assert len(server.requests) == asked


def test_a_run_that_was_cut_off_goes_on(run: Run, index: Path, server: StandIn):
    def expiring(request: Request, before: int) -> Answer:
        return knowing(request) if before < 7 else problem(401, "expired")

    server.speak = expiring
    outcome = run("label", index, "--yes", "--parallel", 1)
    assert outcome.code == 2
    assert outcome.err == (
        f"clew: {server.url} refused the key (401: expired). 4 labels are saved; "
        "the same command continues.\n"
    )
    before = labels(index)
    assert len(before) == 4
    server.speak = knowing
    assert "2 features to label; 4 have a label already." in run("label", index, "--yes").out
    assert labels(index) == before | {number: labels(index)[number] for number in (0, 1)}


def test_ctrl_c_keeps_what_there_is(run: Run, index: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch):
    from clew.cli.progress import Progress

    def interrupted(self: Progress, phase: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "work", interrupted)
    outcome = run("label", index, "--yes", "--parallel", 1)
    assert outcome.code == 130
    assert outcome.err == "clew: stopped; 2 labels are saved; the same command continues.\n"
    assert len(labels(index)) == 2


def test_caps(run: Run, index: Path, server: StandIn):
    outcome = run("label", index, "--yes", "--max-requests", 5)
    assert outcome.out.splitlines()[-1] == "  stopped by the cap of 5 requests; the same command continues"
    assert len(server.requests) == 4 or len(labels(index)) == 3, "feature 5 needs one request alone"
    assert len(server.requests) <= 5


def test_troubles_are_counted(run: Run, index: Path, server: StandIn):
    server.speak = lambda request, before: said("no") if before % 2 else problem(400, "long")
    outcome = run("label", index, "--yes", "--parallel", 1)
    assert outcome.out.splitlines()[3:] == [
        "Labelled  0 of 6 features",
        "  6 requests, 300 tokens read and 30 written",
        "  3 got an answer that cannot be used",
        "  3 got no answer",
        "  the last error: L2/0: the answer holds no JSON object with 'label'",
    ]


def test_where_nothing_came_of_it_that_is_a_failure(run: Run, index: Path, server: StandIn):
    server.speak = lambda request, before: Answer(b"<html>sign in</html>")
    outcome = run("label", index, "--yes", "--limit", 3)
    assert outcome.code == 2
    assert "Labelled  0 of 3 features" in outcome.out
    assert "a web page, so the address may be wrong" in outcome.out
    assert outcome.err == "clew: No label was made.\n"


def test_by_rule_nobody_is_asked(run: Run, index: Path, server: StandIn):
    outcome = run("label", index, "--from-tokens")
    assert outcome.out == ("Labelled  6 of 6 features from their tokens; 0 have a label already.\n")
    assert server.requests == []
    found = labels(index)
    assert found[0].text == 'says cat; "cat" after "number … saw a black"'
    assert found[3].text == 'says dog; "dog" after "number … saw a black" (negative)'
    assert (found[0].source, found[0].author) == ("tokens", "token rules 2")
    assert run("label", index, "--from-tokens").out == (
        "Labelled  0 of 0 features from their tokens; 6 have a label already.\n"
    )


def test_by_rule_again(run: Run, index: Path):
    with open_index(index, writable=True) as opened:
        opened.set_label(2, 0, "an older rule's", "tokens")
        opened.set_label(2, 1, "my own word")
        opened.set_label(2, 2, "a model's", "model")
        opened.set_label(2, 5, "an older rule's", "tokens")
        # Only one text is left for feature 5, and nothing that it promotes: no rule has a word for it.
        opened._connection.execute("DELETE FROM examples WHERE feature = 5 AND rank > 0")
        opened._connection.execute("UPDATE features SET top_outputs = NULL WHERE id = 5")
    assert run("label", index, "--from-tokens", "--features", "L2/0,L2/5").out == (
        "Labelled  0 of 0 features from their tokens; 2 have a label already.\n"
    )
    assert run("label", index, "--from-tokens", "--relabel").out == (
        "Labelled  3 of 4 features from their tokens; 2 have a label that is not replaced.\n"
    )
    assert {number: label.text for number, label in labels(index).items()} == {
        0: 'says cat; "cat" after "number … saw a black"',
        1: "my own word",
        2: "a model's",
        3: 'says dog; "dog" after "number … saw a black" (negative)',
        4: 'says cat; "pig" after "number … saw a black"',
        5: "an older rule's",
    }


def test_by_rule_ctrl_c_keeps_what_there_is(run: Run, index: Path, monkeypatch: pytest.MonkeyPatch):
    from clew.cli.progress import Progress

    def interrupted(self: Progress, phase: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("clew.index.labels.token_labels.LABELS_AT_ONCE", 2)
    monkeypatch.setattr(Progress, "work", interrupted)
    outcome = run("label", index, "--from-tokens")
    assert outcome.code == 130
    assert outcome.err == "clew: stopped; 3 labels are saved; the same command continues.\n"
    assert len(labels(index)) == 3


def test_asking_again_spares_what_people_said(run: Run, index: Path, server: StandIn):
    with open_index(index, writable=True) as opened:
        opened.set_label(2, 1, "my own word")
        opened.set_label(2, 2, "an older model's", "model")
    outcome = run("label", index, "--yes", "--relabel", "--max-requests", 4, "--parallel", 1)
    assert outcome.out.startswith("5 features to label; 1 have a label that is not replaced.\n")
    assert outcome.out.endswith("stopped by the cap of 4 requests; the same command starts again\n")
    run("label", index, "--yes", "--relabel")
    assert labels(index)[1].text == "my own word"
    assert labels(index)[2].text == "hen"
    with open_index(index) as opened:
        assert [label.text for label in opened.label_history(2, 2)] == ["hen", "an older model's"]


def test_features_by_name(run: Run, index: Path, server: StandIn):
    run("label", index, "--yes", "--features", "L2/4,L2/0")
    assert sorted(labels(index)) == [0, 4]


def test_features_of_a_graph(run: Run, index: Path, tmp_path: Path, server: StandIn):
    graph = random_graph()
    ours = graph.of_kind(NodeKind.FEATURE)[graph.node_layer[graph.of_kind(NodeKind.FEATURE)] == 2][:3]
    graph.node_feature[ours] = [1, 3, 4]
    graph.node_influence[ours] = [0.1, 0.9, 0.5]
    graph.node_activation[ours] = [1.0, -1.0, 1.0]
    replace(graph, output_tokens=None).save(tmp_path / "graph.clew")
    run("label", index, "--yes", "--graph", tmp_path / "graph.clew", "--limit", 2)
    assert {number: label.text for number, label in labels(index).items()} == {
        3: "dog (negative)",
        4: "pig",
    }


def test_nothing_is_sent_before_somebody_agrees(
    run: Run, index: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch
):
    outcome = run("label", index)
    assert outcome.code == 2
    assert outcome.err == "clew: Nothing was sent; add --yes to start without a question.\n"
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer in ("", "n", "no"):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        assert run("label", index).err == "clew: Nothing was sent.\n"
    assert server.requests == []
    monkeypatch.setattr("builtins.input", lambda _: "Y")
    assert run("label", index).code == 0
    assert len(labels(index)) == 6


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--max-cost", "1"], "A cost needs both prices, --price-in and --price-out; see clew label --help"),
        (["--price-in", "1"], "A cost needs both prices, --price-in and --price-out; see clew label --help"),
        (["--price-in", "-1"], "--price-in: expected a number above 0, not '-1'; see clew label --help"),
        (["--max-cost", "nan"], "--max-cost: expected a number above 0, not 'nan'; see clew label --help"),
        (["--limit", "0"], "--limit: expected a whole number from 1, not '0'; see clew label --help"),
        (
            ["--graph", "a.clew", "--features", "L1/2"],
            "label takes --graph or --features, not both; see clew label --help",
        ),
        (
            ["--features", "L2/0,x"],
            "--features: expected a feature such as L12/4031, not 'x'; see clew label --help",
        ),
        (["--base-url", "localhost"], "'localhost' is not an address; write one such as "),
    ],
)
def test_slips(run: Run, index: Path, server: StandIn, arguments: list[str], line: str):
    outcome = run("label", index, *arguments)
    assert outcome.code == 2
    assert outcome.err.removeprefix("clew: ").startswith(line)
    assert server.requests == []


def test_features_and_graphs_of_another_dictionary(run: Run, index: Path, tmp_path: Path, server: StandIn):
    assert "There is no feature L9/9 in " in run("label", index, "--features", "L9/9").err
    random_graph().save(tmp_path / "other.clew")
    told = run("label", index, "--graph", tmp_path / "other.clew").err
    assert "has no feature of" in told


def test_the_key_goes_only_to_the_host_that_it_is_for(
    run: Run, index: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch
):
    elsewhere = ("label", index, "--yes", "--base-url", server.url, "--relabel")
    for own in (None, "http://127.0.0.1:1/v1", "not an address"):
        monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
        if own:
            monkeypatch.setenv("OPENAI_BASE_URL", own)
        server.requests.clear()
        assert run(*elsewhere).code == 0
        assert {request.key for request in server.requests} == {"Bearer none"}
    server.requests.clear()
    assert run(*elsewhere, "--api-key-from", "OPENAI_API_KEY").code == 0
    assert {request.key for request in server.requests} == {"Bearer secret"}


def test_nobody_to_ask(run: Run, index: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "CLEW_LABEL_MODEL"):
        monkeypatch.delenv(name, raising=False)
    assert run("label", index).err.startswith("clew: No language model to ask: pass --base-url URL")
    assert run("label", index, "--base-url", "http://localhost/v1").err.startswith(
        "clew: No model is named to ask;"
    )
    monkeypatch.setenv("CLEW_INDEXES", str(index.parent / "none"))
    unknown = run("label", "--from-tokens", "--model", "mine")
    assert unknown.err.startswith("clew: There is no index of mine with neurons yet")


def test_indexes_travel_as_files(run: Run, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path / "indexes"))
    usual = tmp_path / "indexes" / "tiny--neurons.sqlite3"
    for form in ("json", "packed"):
        out, again = tmp_path / form, tmp_path / f"{form}.sqlite3"
        assert run("index", "export", index, "--format", form, "--out", out).out == (
            f"Saved  {out} (6 features)\n"
        )
        assert run("index", "import", out, "--out", again).out == (
            f"Saved  {again} (6 features; others have no record)\n"
            f"       Other commands look for it at {usual}.\n"
        )
        with open_index(again) as opened, open_index(index) as original:
            assert opened.metadata.model == "tiny"
            for one, other in zip(details_of(opened), details_of(original), strict=True):
                assert one.quantiles[0].examples[0].tokens == other.quantiles[0].examples[0].tokens
    assert run("index", "export", index, "--out", tmp_path / "json").err.startswith(
        f"clew: {tmp_path / 'json'} already holds something"
    )


def test_the_features_of_graphs_travel_alone(run: Run, index: Path, tmp_path: Path):
    graph = random_graph()
    ours = graph.of_kind(NodeKind.FEATURE)[graph.node_layer[graph.of_kind(NodeKind.FEATURE)] == 2]
    graph.node_feature[ours] = np.arange(len(ours)) % 7 + 1
    graph.save(tmp_path / "graph.clew")
    told = run(
        "index", "export", index, "--graph", tmp_path / "graph.clew", "--examples", 2, "--out", tmp_path / "a"
    )
    known = {number for number in graph.node_feature[ours].tolist() if number < N_FEATURES}
    n_others = len(features_of(graph)) - len(known)
    assert told.out == (
        f"Saved  {tmp_path / 'a'} ({len(known)} features)\n"
        f"       The index has nothing on {n_others} other features of the graphs.\n"
    )
    run("index", "import", tmp_path / "a", "--out", tmp_path / "small.sqlite3")
    with open_index(tmp_path / "small.sqlite3") as small:
        assert {
            one.feature.index: len(one.quantiles[0].examples) for one in details_of(small)
        } == dict.fromkeys(known, 2)
    shown = run("index", "show", tmp_path / "small.sqlite3", "L2/0")
    assert shown.err.endswith("small.sqlite3 has nothing on L2/0: it holds some of the features only.\n")
    random_graph().save(tmp_path / "other.clew")
    other = run("index", "export", index, "--graph", tmp_path / "other.clew", "--out", tmp_path / "b")
    assert other.err.endswith("other.clew; it is of another dictionary.\n")
    assert not (tmp_path / "b").exists()


def test_the_index_is_that_of_the_graphs_model_and_dictionary(run: Run, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path / "indexes"))
    usual = default_location("tiny", "neurons")
    usual.parent.mkdir()
    make_index(tmp_path).rename(usual)
    graph = random_graph()
    features = graph.of_kind(NodeKind.FEATURE)
    graph.node_feature[features[graph.node_layer[features] == 2][:3]] = [1, 3, 4]
    info = replace(graph.info, model="tiny", dictionary="neurons", settings={})
    replace(graph, info=info, output_tokens=None).save(tmp_path / "graph.clew")
    outcome = run("label", "--graph", tmp_path / "graph.clew", "--from-tokens")
    assert (outcome.code, outcome.err) == (0, "")
    assert labels(usual)
    refused = run("label", "--graph", tmp_path / "graph.clew", "--from-tokens", "--dictionary", "smollm2-plt")
    assert refused.code == 2
    assert "is of the dictionary neurons, not of smollm2-plt; leave --dictionary out" in refused.err
    (tmp_path / "tiny").mkdir()
    named = run("label", "--model", tmp_path / "tiny", "--from-tokens", "--dictionary", "neurons")
    assert (named.code, named.err) == (0, ""), "a folder means what it means for clew index"
