"""`clew annotate`: names that a graph keeps, for other commands to use."""

from __future__ import annotations

from pathlib import Path

import pytest

import clew
from clew.graph.graph import NodeKind

from .conftest import Run
from .test_errors import refused


@pytest.fixture
def graph_file(trace: Run, tmp_path: Path) -> Path:
    path = tmp_path / "a.clew"
    trace("w3 w4 w5", "--keep", "all", "--out", path)
    return path


def test_names_are_kept_and_used(run: Run, graph_file: Path, tmp_path: Path):
    graph, named = clew.open(graph_file), tmp_path / "named.clew"
    one, two = (int(node) for node in graph.of_kind(NodeKind.FEATURE)[:2])
    outcome = run(
        *("annotate", graph_file, "--out", named, "--pin", graph.node_id(one)),
        *("--group", f"a=b={graph.node_name(one)},{graph.node_id(two)}"),
        *("--label", f"{graph.node_name(one)}=one = 1", "--label", f"{graph.feature_name(two)}=two"),
    )
    assert (outcome.code, outcome.out) == (0, f"Saved  {named}\n")
    notes = clew.open(named).annotations
    assert notes.supernodes == (("a=b", (graph.node_id(one), graph.node_id(two))),)
    assert notes.labels == {graph.node_id(one): "one = 1"}
    assert notes.feature_labels == {graph.feature_name(two): "two"}
    assert notes.pins == (graph.node_id(one),)
    circuit = run("validate", named, "--top", 0, "--random", 0, "--circuit", "zero", "--nodes", "a=b")
    assert circuit.out.startswith("a=b  (2 features as a circuit)\n")
    single = run(
        "validate", named, "--top", 0, "--random", 0, "--circuit", "mean", "--nodes", graph.node_id(one)
    )
    assert "(1 feature as a circuit)" in single.out
    assert "\n  Sufficiency " in single.out
    assert "\n  Necessity " in single.out


def test_without_a_place_the_file_itself_is_written_anew(run: Run, graph_file: Path):
    node = clew.open(graph_file).node_id(0)
    assert run("annotate", graph_file, "--label", f"{node}=a").code == 0
    assert run("annotate", graph_file, "--label", f"{node}=").code == 0
    assert clew.open(graph_file).annotations.labels == {}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "annotate needs --label, --group or --pin; see clew annotate --help"),
        (["--label", "L0/1@1"], "--label: expected a node and its label such as L24/1005@5='a capital', not"),
        (
            ["--group", "Texas"],
            "--group: expected a name and nodes such as 'Say a capital=L24/1254@5,L29/1254@5', ",
        ),
        (
            ["--pin", "L9/9@9"],
            "The graph has no node 'L9/9@9'. Give an id such as 24_1005_5 or a name such as",
        ),
        (["--pin", "a", "--out", "a.png"], "--out: expected a name that ends in .clew, not 'a.png'"),
        (["--pin", "a", "--out", "/no/such/a.clew"], "/no/such/a.clew cannot be written: there is no folder"),
    ],
)
def test_slips(run: Run, graph_file: Path, options: list[str], line: str):
    assert refused(run("annotate", graph_file, *options)).startswith(line)
