"""`clew trace` on a tiny model: what it prints, what it writes, how it stops."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import clew
from clew.graph.graph import NodeKind
from tests.tiny import Shape, tiny_model
from tests.tokenizers import KINDS, finished

from .conftest import Run

PROMPT = "w3 w4 w5 w6"


def test_the_report_has_every_part(trace: Run):
    outcome = trace(PROMPT)
    assert outcome.code == 0
    first, facts, *_ = outcome.out.splitlines()
    assert first.startswith('"w3 w4 w5 w6" → ')
    assert facts.startswith("tiny · neurons · traced ")
    titles = ["Prompt", "Next token", "Graph", "Most influential features", "Strongest paths to", "Time"]
    places = [outcome.out.index(f"\n{title}") for title in titles]
    assert places == sorted(places)
    assert re.search(
        r"^  0 \"<[ab]>\"  the sink \(KL \d\.\d{3} nats, \d\.\d{3} in the mean\):", outcome.out, re.MULTILINE
    )
    assert '1 "w3"  2 "w4"  3 "w5"  4 "w6"' in outcome.out
    assert re.search(r"^  whole +\d+ +\d+ +[\d,]+ +\d\.\d\d +\d\.\d\d$", outcome.out, re.MULTILINE)
    assert re.search(r"^  kept +\d+ +\d+ +[\d,]+ +\d\.\d\d +\d\.\d\d$", outcome.out, re.MULTILINE)
    assert "Conservation: every row adds up" in outcome.out
    assert re.search(r"^Time  \d+\.\d s", outcome.out, re.MULTILINE)
    assert outcome.out.endswith("The graph is not saved; --out FILE.clew saves it.\n")


def test_a_pipe_gets_no_colour_no_wide_line_and_no_progress(trace: Run):
    outcome = trace(PROMPT)
    assert "\x1b" not in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert not re.search(r" $", outcome.out, re.MULTILINE)
    assert outcome.err == ""


@pytest.mark.parametrize("columns", [40, 80, 100, 120])
def test_no_name_is_cut_at_any_width(
    trace: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, columns: int
):
    monkeypatch.setenv("COLUMNS", str(columns))
    outcome = trace(PROMPT, "--out", tmp_path / "a.clew")
    graph = clew.open(tmp_path / "a.clew")
    names = [graph.node_name(int(node)) for node in graph.of_kind(NodeKind.FEATURE)]
    shown = re.findall(r"^  (L\d\S+)", outcome.out, re.MULTILINE)
    assert len(shown) == 15
    assert set(shown) <= set(names)


def test_both_files_are_written_and_named(trace: Run, tmp_path: Path):
    out, as_json = tmp_path / "a.clew", tmp_path / "a.json"
    outcome = trace(PROMPT, "--out", out, "--json", as_json)
    assert f"\nSaved  {out} (" in outcome.out
    assert f"\nSaved  {as_json} (" in outcome.out
    assert (
        clew.open(out).n_nodes == clew.open(as_json).n_nodes == len(json.loads(as_json.read_text())["nodes"])
    )
    assert clew.open(out).info.pruned_scores is not None


def test_keep_all_saves_the_whole_graph_and_reports_on_the_pruned_one(trace: Run, run: Run, tmp_path: Path):
    out, as_json = tmp_path / "a.clew", tmp_path / "a.json"
    traced = trace(
        PROMPT,
        "--keep",
        "all",
        "--node-threshold",
        "0.5",
        "--edge-threshold",
        "0.9",
        "--out",
        out,
        "--json",
        as_json,
    )
    whole, pruned = clew.open(out), clew.open(as_json)
    assert whole.node_total is not None
    assert whole.prune(0.5, 0.9).n_nodes == pruned.n_nodes < whole.n_nodes
    shown = run("show", out)
    assert shown.out.split("\nFile")[0] == traced.out.split("\nSaved")[0]


def test_show_prints_the_same_from_a_pruned_file(trace: Run, run: Run, tmp_path: Path):
    out = tmp_path / "a.clew"
    traced = trace(PROMPT, "--out", out)
    shown = run("show", out)
    # A pruned file no longer knows how large the whole graph was: that line, and its width, may differ.
    lines = [[line.split() for line in outcome.out.splitlines()[:-1]] for outcome in (traced, shown)]
    assert [line for line in lines[0] if line[:1] != ["whole"]] == [
        line for line in lines[1] if line[:1] != ["whole"]
    ]


def test_targets_by_text_by_id_and_as_a_difference(trace: Run):
    outcome = trace(PROMPT, "--targets", "w10", "id:11", "w12 minus w13")
    assert re.search(r'^  ●  "w10" +\S+%', outcome.out, re.MULTILINE)
    assert re.search(r'^  ●  "w11" +\S+%', outcome.out, re.MULTILINE)
    assert re.search(r'^  ●  "w12" minus "w13"$', outcome.out, re.MULTILINE)
    assert 'Strongest paths to "w12" minus "w13"' in outcome.out


def test_token_ids_in_place_of_a_prompt(trace: Run):
    outcome = trace("--tokens", "0,3, 4")
    assert outcome.code == 0
    assert '0 "<a>"  the sink: the first id given' in outcome.out


def test_without_a_sink_it_says_so(trace: Run):
    outcome = trace(PROMPT, "--sink", "none")
    assert '0 "w3"  1 "w4"' in outcome.out
    assert "No sink: the first position is an ordinary one." in outcome.out


def test_ctrl_c_leaves_no_file(trace: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(self: object, phase: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clew.cli.progress.Progress.work", interrupt)
    outcome = trace(PROMPT, "--out", tmp_path / "a.clew", "--json", tmp_path / "a.json")
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "clew: stopped; nothing was written.\n")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_after_saving_names_the_file(trace: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clew.cli.reports.graph.print_report", interrupt)
    path = tmp_path / "a.clew"
    outcome = trace(PROMPT, "--out", path)
    assert (outcome.code, outcome.err) == (130, f"clew: stopped; {path} had been written.\n")
    assert path.exists()


def test_a_disk_that_fills_up_costs_the_file_and_not_the_report(
    trace: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*arguments: object) -> None:
        raise clew.ClewError("a.clew cannot be written: No space left on device.")

    monkeypatch.setattr("clew.graph.graph.Graph.save", refuse)
    outcome = trace(PROMPT, "--out", tmp_path / "a.clew")
    assert "Strongest paths" in outcome.out
    assert "Saved" not in outcome.out
    assert (outcome.code, outcome.err) == (2, "clew: a.clew cannot be written: No space left on device.\n")


@pytest.mark.real
def test_the_capital_of_france(run: Run, tmp_path: Path):
    out, as_json = tmp_path / "paris.clew", tmp_path / "paris.json"
    traced = run("trace", "The capital of France is", "--max-nodes", 512, "--out", out, "--json", as_json)
    shown = [run("show", out), run("show", as_json)]
    for outcome in (traced, *shown):
        assert outcome.code == 0
        assert outcome.out.startswith('"The capital of France is" → " Paris"\n')
        answer = outcome.out.split("Next token")[1].splitlines()[1]
        assert re.match(r'  ●  " Paris" +77\.8%  █{15,}', answer)


def test_outputs_that_are_spelled_alike_have_their_ids(run: Run, tmp_path: Path):
    model, folder = tiny_model("LlamaForCausalLM", Shape(n_layers=1, vocabulary=400)), tmp_path / "model"
    tokenizer = finished(KINDS["byte fallback"]())
    model.network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    byte, piece = (tokenizer.convert_tokens_to_ids(name) for name in ("<0x54>", "T"))
    targets = f"id:{byte}", f"id:{piece}", f"id:{byte} minus id:{piece}"
    outcome = run("trace", "Paris", "--model", folder, "--targets", *targets, "--out", tmp_path / "a.clew")
    assert {f'"T" id:{byte}', f'"T" id:{piece}'} <= set(re.findall(r'●  ("T" id:\d+) ', outcome.out))
    assert f'●  "T" minus "T" id:{byte} minus id:{piece}' in outcome.out
    feature = clew.open(tmp_path / "a.clew").of_kind(NodeKind.FEATURE)[0]
    name = clew.open(tmp_path / "a.clew").node_name(int(feature))
    changed = run("intervene", "Paris", "--graph", tmp_path / "a.clew", "--model", folder, "--ablate", name)
    assert changed.code == 0, changed.err
    assert {f'"T" id:{byte}', f'"T" id:{piece}'} <= set(re.findall(r'"T" id:\d+', changed.out))
