"""What features mean, where an index tells it: `clew show` with labels and texts, and JSON with labels."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clew.cli.reports.influential_features import examples_of_side, influential_features
from clew.graph.graph import Graph, NodeKind
from clew.index.storage.index import open_index
from clew.index.storage.locations import default_location
from clew.index.storage.record import Histogram
from tests.index.example_index import make_index

from .conftest import Run
from .test_errors import refused
from .test_report import small_graph


def graph_of(feature: int = 3, *, activation: float = -2.0, model: str = "tiny") -> Graph:
    """Of `small_graph`, with a feature that the index knows."""
    graph = small_graph(activation=activation, tokens=(" the", " dog"))
    graph.node_layer[0], graph.node_layer[3] = 2, 3
    graph.node_feature[0] = feature
    return graph.with_info(model=model)


@pytest.fixture
def index(run: Run, tmp_path: Path) -> Path:
    """In its usual place, with a label."""
    place = default_location("tiny", "neurons")
    place.parent.mkdir()
    make_index(tmp_path).rename(place)
    with open_index(place, writable=True) as opened:
        opened.set_label(2, 3, "dogs", "model", author="a model", confidence=0.9)
        opened.set_label(2, 4, "says pig", "tokens", author="some rules")
    return place


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    return graph_of().save(tmp_path / "graph.clew")


def test_labels_and_texts_stand_in_the_report(run: Run, index: Path, graph_file: Path):
    outcome = run("show", graph_file)
    assert (outcome.code, outcome.err) == (0, "")
    assert 'L2/3@1   " dog"      75.0%       -2.00  dogs: t10, t11, t12' in outcome.out
    at = outcome.out.index("\nWhat they fire on  (the strongest texts, of the same sign)\n")
    assert outcome.out[at:].splitlines()[2:6] == [
        "  L2/3@1  -2.00 here, down to -9.00 in these texts",
        "      -9.000   number 60 saw a black« dog» today",
        "      -8.900   number 61 saw a black« dog» today",
        "",
    ]


@pytest.mark.parametrize(
    ("options", "n_texts"), [(["--examples", 4], 4), (["--examples", 0], 0), (["--top", 0], 0)]
)
def test_as_many_texts_as_asked_for(run: Run, index: Path, graph_file: Path, options: list, n_texts: int):
    out = run("show", graph_file, *options).out
    assert out.count("«") == n_texts
    assert ("What they fire on" in out) == (n_texts > 0)


def test_a_side_without_texts_says_so(run: Run, index: Path, tmp_path: Path):
    path = graph_of(activation=2.0).save(tmp_path / "other.clew")
    out = run("show", path).out
    assert "  L2/3@1  2.00 here, never above zero in these texts\n" in out
    assert "«" not in out


def test_another_index_may_be_named(run: Run, index: Path, graph_file: Path, tmp_path: Path):
    other = index.rename(tmp_path / "other.sqlite3")
    assert "What they fire on" not in run("show", graph_file).out
    outcome = run("show", graph_file, "--index", other)
    assert "dogs: t10" in outcome.out
    assert "What they fire on" in outcome.out
    assert outcome.err == ""
    path = graph_of(model="huge").save(tmp_path / "huge.clew")
    assert run("show", path, "--index", other).err == (
        f"Warning: {other} has the model tiny, but the graph has huge.\n"
    )


def spoil(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("PRAGMA user_version = 99", "was written by a newer clew (version 99"),
        ("DROP TABLE labels", "cannot be read or is damaged (no such table: labels)"),
        ("UPDATE examples SET activations = x'00'", "cannot be read or is damaged ("),
        ("DELETE FROM about", "is not a whole index"),
    ],
)
def test_an_index_that_cannot_be_read_stops_no_report(
    run: Run, index: Path, graph_file: Path, statement: str, problem: str
):
    spoil(index, statement)
    outcome = run("show", graph_file)
    assert outcome.code == 0
    assert "Most influential features" in outcome.out
    assert "What they fire on" not in outcome.out
    assert outcome.err.startswith(f"Warning: the index is not used: {index} {problem}")
    assert len(outcome.err.splitlines()) == 1
    assert problem in refused(run("show", graph_file, "--index", index))


def test_a_file_that_is_no_index(run: Run, index: Path, graph_file: Path, tmp_path: Path):
    index.write_bytes(b"no database" * 500)
    assert run("show", graph_file).err.startswith("Warning: the index is not used: ")
    missing = tmp_path / "missing.sqlite3"
    assert refused(run("show", graph_file, "--index", missing)).startswith(f"There is no index {missing};")


def test_one_feature(run: Run, index: Path, graph_file: Path):
    outcome = run("show", graph_file, "--feature", "L2/3")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "L2/3  dogs  (model a model, 90% sure)"
    assert lines[3:6] == [
        "In this graph",
        "  position  token   influence  activation",
        '         1  " dog"      75.0%       -2.00',
    ]
    assert "Activations  (not zero at 4.0% of tokens; both scales logarithmic)" in outcome.out
    assert outcome.out.count("«") == 5
    assert run("show", graph_file, "--feature", "L2/3@1", "--examples", 1).out.count("«") == 1
    other = run("show", graph_file, "--feature", "L2/4").out
    assert other.startswith("L2/4  says pig  (by rule)\n")
    assert "\nNot in this graph\n" in other


def test_one_feature_without_an_index(run: Run, graph_file: Path):
    out = run("show", graph_file, "--feature", "L2/3").out
    assert "  promotes t10, t11, t12" in out
    assert "There is no index of tiny with neurons (clew index --data TEXTS makes one)." in out


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("L2/9", "The graph has no feature L2/9, and {index} has nothing on it."),
        ("L9/0", "The graph has no feature L9/0, and {index} has nothing on it."),
        (
            "l2/3@1",
            "--feature: expected a feature such as L12/4031 or L12/4031@5, not 'l2/3@1'. Did you mean "
            "L2/3@1? See clew show --help",
        ),
        ("L2/3@0", "The graph has L2/3 at position 1, not at 0."),
        (
            "dogs",
            "--feature: expected a feature such as L12/4031 or L12/4031@5, not 'dogs'; see clew show --help",
        ),
    ],
)
def test_slips(run: Run, index: Path, graph_file: Path, name: str, line: str):
    assert refused(run("show", graph_file, "--feature", name)) == line.format(index=index)


def test_own_labels_go_before_those_of_the_index(run: Run, index: Path, tmp_path: Path):
    own = graph_of().annotate(feature_labels={"L2/3": "[b]hounds"})
    path = own.save(tmp_path / "own.clew")
    assert "[b]hounds: t10" in run("show", path).out
    assert "In this graph  (labelled [b]hounds)" in run("show", path, "--feature", "L2/3").out


def test_json_that_commands_write_holds_the_labels(run: Run, index: Path, graph_file: Path, tmp_path: Path):
    run("annotate", graph_file, "--pin", "L2/3@1", "--out", tmp_path / "out.json")
    nodes = json.loads((tmp_path / "out.json").read_text())["nodes"]
    assert [node["clerp"] for node in nodes if node["node_id"] == "2_3_1"] == ["dogs"]


def test_a_trace_has_the_labels(trace: Run, run: Run, tmp_path: Path, model_folder: Path):
    assert trace("w3 w4 w5", "--out", tmp_path / "a.clew").code == 0
    assert run("index", "--data", _texts(tmp_path), "--model", model_folder).code == 0
    import clew

    graph = clew.open(tmp_path / "a.clew")
    node = int(
        graph.of_kind(NodeKind.FEATURE)[np.argmax(graph.node_influence[graph.of_kind(NodeKind.FEATURE)])]
    )
    with open_index(default_location(graph.info.model, graph.info.dictionary), writable=True) as opened:
        opened.set_label(int(graph.node_layer[node]), int(graph.node_feature[node]), "greetings")
    outcome = trace("w3 w4 w5", "--json", tmp_path / "b.json")
    assert "greetings" in outcome.out
    nodes = json.loads((tmp_path / "b.json").read_text())["nodes"]
    assert "greetings" in [each["clerp"] for each in nodes if each["node_id"] == graph.node_id(node)]


def _texts(folder: Path) -> Path:
    path = folder / "texts.txt"
    path.write_text("w3 w4 w5 w6 w7 " * 10)
    return path


def test_features_are_taken_by_influence_each_once(index: Path, tmp_path: Path):
    from tests.graph.random_graphs import random_graph

    graph = random_graph(seed=3)
    features = graph.of_kind(NodeKind.FEATURE)
    there = features[graph.node_layer[features] == 2]
    graph.node_feature[there] = np.arange(len(there)) % 3 + 4
    influence = graph.node_influence.copy()
    influence[there] = np.linspace(2, 1, len(there))
    with open_index(index) as opened:
        found = influential_features(replace(graph, node_influence=influence), opened)
        record = opened.feature(2, 0)
    assert [known.record.feature.index for known in found] == [4, 5], "feature 6 is not in the index"
    assert [known.node for known in found] == there[:2].tolist()
    assert record is not None
    assert [example.peak for example in examples_of_side(record, negative=False, count=2)] == [9.0, 8.9]
    assert examples_of_side(record, negative=True, count=2) == []


def test_the_share_below_a_value():
    histogram = Histogram((-2.0, -1.0, 0.0, 0.0, 4.0), (1, 1, 4, 2))
    expected = {-3: 0, -2: 0, -1.5: 1 / 16, 0.0: 6 / 8, 2: 7 / 8, 4: 1, 9: 1}
    assert {value: histogram.share_below(value) for value in expected} == expected
    assert Histogram((), ()).share_below(1.0) is None
