"""`clew intervene` on a tiny model: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open

import clew
from clew.cli.parser import build_parser
from clew.graph.graph import NodeKind
from clew.graph.info import Annotations
from clew.intervention.settings import InterventionSettings
from clew.options import options_of
from clew.server.schemas.jobs import InterveneRequest

from .conftest import Run
from .test_errors import refused

PROMPT = "w3 w4 w5 w6"


@pytest.fixture
def intervene(run: Run, model_folder: Path) -> Run:
    """`intervene("w3 w4", "--ablate", "L0/3")` with the tiny model."""
    return lambda *arguments: run("intervene", *arguments, "--model", model_folder)


@pytest.fixture
def graph_file(trace: Run, tmp_path: Path) -> Path:
    """A whole graph of the prompt whose first two features are the supernode Texas."""
    path = tmp_path / "whole.clew"
    trace(PROMPT, "--keep", "all", "--out", path)
    graph = clew.open(path)
    members = tuple(graph.node_id(node) for node in graph.of_kind(NodeKind.FEATURE)[:2].tolist())
    replace(graph, annotations=Annotations(supernodes=(("Texas", members),))).save(path)
    return path


def test_the_report_has_every_part(intervene: Run, graph_file: Path):
    outcome = intervene(
        PROMPT, "--set", "L0/3@2=4", "--scale", "Texas=-2", "--graph", graph_file, "--generate", 5
    )
    assert (outcome.code, outcome.err) == (0, "")
    first, facts, *_ = outcome.out.splitlines()
    assert first.endswith(PROMPT.replace(" ", ""))
    assert facts == "tiny · neurons · free: the real model responds"
    titles = [
        "Changed\n  L0/3@2 to 4\n  Texas times -2\n",
        "Next token  (█ kept, ░ lost, ▓ won; KL(after || before) ",
        "Other features that moved most",
        "What the graph predicts  (change of the centred logit)",
        "Generated text",
    ]
    places = [outcome.out.index(f"\n{title}") for title in titles]
    assert places == sorted(places)
    assert re.search(r'^  L0/3@2 +"w4" +-?\d+\.\d\d +4\.00 +[+-]\d+\.\d\d$', outcome.out, re.MULTILINE)
    assert re.search(r'^  "w\d+" +[<\d.]+% +[<\d.]+% ', outcome.out, re.MULTILINE)
    assert re.search(r'^  "w\d+" +[+-]?\d+\.\d\d +[+-]?\d+\.\d\d$', outcome.out, re.MULTILINE)
    assert re.search(r'^  before  ".+"\n  after   ".+"$', outcome.out, re.MULTILINE)
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_in_the_direct_regime_the_prediction_is_what_is_measured(intervene: Run, graph_file: Path):
    outcome = intervene(PROMPT, "--scale", "Texas=-2", "--graph", graph_file, "--regime", "direct")
    section = outcome.out.split("What the graph predicts")[1]
    pairs = re.findall(r"^  \"\S+ +([+-]?\d+\.\d\d) +([+-]?\d+\.\d\d)$", section, re.MULTILINE)
    assert len(pairs) >= 5
    assert all(abs(float(predicted) - float(measured)) < 0.011 for predicted, measured in pairs)
    assert "direct: attention, norms and MLPs are held fixed, as edges assume" in outcome.out


def test_a_sweep_has_a_line_for_each_strength(intervene: Run, graph_file: Path):
    outcome = intervene(
        PROMPT,
        "--add",
        "Texas@all=3",
        "--graph",
        graph_file,
        "--strengths",
        "-2",
        "0",
        "0.5",
        "--generate",
        "3",
    )
    assert re.search(r"^Next token by strength  \(\"\S+\" is ", outcome.out, re.MULTILINE)
    assert re.findall(r"^ +(-2|0|0\.5)  +[-\d.]+  +[<\d.]+% ", outcome.out, re.MULTILINE) == [
        "-2",
        "0",
        "0.5",
    ]
    assert re.search(r"^ +0  .* 0$", outcome.out, re.MULTILINE)
    assert re.findall(r"^  (before|strength \S+) +\"", outcome.out, re.MULTILINE) == [
        "before",
        "strength -2",
        "strength 0",
        "strength 0.5",
    ]
    assert len(re.findall(r"^ +(?:-2|0|0\.5)?  \"w\d+\" +\S+ +\S+$", outcome.out, re.MULTILINE)) == 9
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_features_that_the_graph_lacks_are_counted(intervene: Run, graph_file: Path):
    sink = intervene(PROMPT, "--ablate", "L0/3@0", "--ablate", "Texas", "--graph", graph_file)
    assert "  The graph lacks 1 of 3 changed features; predictions leave them out.\n" in sink.out


@pytest.mark.parametrize(
    ("place", "positions"),
    [("@2", [2]), ("@-1", [4]), ("@3-", [3, 4]), ("@1:3", [1, 2]), ("@all", [0, 1, 2, 3, 4]), ("", range(5))],
)
def test_positions(intervene: Run, place: str, positions: list[int]):
    outcome = intervene(PROMPT, "--ablate", f"L1/3{place}", "--regime", "direct")
    assert re.findall(r"^  L1/3@(\d) +\"", outcome.out, re.MULTILINE) == [str(each) for each in positions]


def test_patching_takes_the_value_of_the_same_position(intervene: Run):
    there = intervene("w8 w9 w10 w11", "--ablate", "L1/3@2")
    outcome = intervene(PROMPT, "--patch", "L1/3@2=w8 w9 w10 w11")
    assert "Changed\n  L1/3@2 to its value on 'w8 w9 w10 w11'\n" in outcome.out
    before = re.search(r'L1/3@2 +"w9" +(\S+) ', there.out)
    after = re.search(r'L1/3@2 +"w4" +\S+ +(\S+) ', outcome.out)
    assert before is not None
    assert after is not None
    assert before[1] == after[1]


def test_a_supernode_is_patched_member_by_member(intervene: Run, graph_file: Path):
    source = "w8 w9 w10 w11"
    outcome = intervene(PROMPT, "--patch", f"Texas={source}", "--graph", graph_file)
    assert f"Changed\n  Texas to its value on '{source}'\n" in outcome.out
    changed = re.findall(r'^  (L\d+/\d+)@(\d) +"\w+" +\S+ +(\S+) ', outcome.out, re.MULTILINE)[:2]
    for name, position, value in changed:
        there = intervene(source, "--ablate", f"{name}@{position}").out
        assert re.search(rf'{name}@{position} +"\w+" +{re.escape(value)} ', there)
    line = refused(intervene(PROMPT, "--patch", "Texas=w8 w9", "--graph", graph_file))
    assert line.startswith(
        "The other prompt has 3 tokens and this one 5, so their positions do not match; name"
    )


@pytest.mark.parametrize("place", ["@2:4", "@all", "@3-", "@1,2", ""])
def test_patching_anywhere_from_a_place_that_is_named(intervene: Run, place: str):
    outcome = intervene(PROMPT, "--patch", f"L1/3{place}=@-1:w8 w9")
    there = intervene("w8 w9", "--ablate", "L1/3@-1").out
    value = re.search(r'L1/3@2 +"w9" +(\S+) ', there)
    assert value is not None
    found = set(re.findall(r'^  L1/3@\d +"\S+" +\S+ +(\S+) ', outcome.out, re.MULTILINE))
    assert found == {value[1]}
    assert intervene(PROMPT, "--patch", f"L1/3{place}=w8 w9 w10 w11").code == 0


@pytest.mark.parametrize("name", ["meet@5", "x=3", "@", "a@2=1", "Say Paris"])
def test_a_name_may_look_like_a_place_or_a_value(intervene: Run, graph_file: Path, name: str):
    graph = clew.open(graph_file)
    members = graph.annotations.supernodes[0][1]
    short = name[:1] * (len(name) > 1) or "x", (graph.node_id(2),)
    replace(graph, annotations=Annotations(supernodes=((name, members), short))).save(graph_file)
    for option, value in (("--ablate", ""), ("--set", "=2"), ("--patch", "=w8 w9 w10 w11")):
        outcome = intervene(PROMPT, option, f"{name}{value}", "--graph", graph_file)
        assert len(outcome.out.split("change\n")[1].split("\n\n")[0].splitlines()) == 2, outcome


def test_a_range_of_layers_is_said_and_predicts_nothing(intervene: Run, graph_file: Path):
    outcome = intervene(PROMPT, "--ablate", "L1/3@2", "--layers", "1:", "--graph", graph_file)
    headline = "but the MLPs of layers 1 to 2 are held fixed, and changes are written there only\n"
    assert f"free: the real model responds\n{headline}" in outcome.out
    section = outcome.out.split("What the graph predicts\n")[1]
    assert section == "  Nothing with --layers: an edge carries all that a feature writes.\n"


def test_several_strengths_are_kept_together(intervene: Run, tmp_path: Path):
    path = tmp_path / "a.safetensors"
    intervene(PROMPT, "--ablate", "L1/3@2", "--save", path, "--strengths", 0, 1, 2)
    with safe_open(path, "pt") as file:
        assert file.get_tensor("logits_before").shape == (5, 61)
        assert file.get_tensor("logits_after").shape == (3, 5, 61)
        assert set(file.get_tensor("feature_strength").tolist()) == {0, 1, 2}
        assert file.metadata()["strengths"] == "[0.0, 1.0, 2.0]"


def test_strengths_that_change_nothing_say_so(intervene: Run):
    outcome = intervene(PROMPT, "--scale", "L1/3@2=1", "--strengths", "-1", "2")
    assert "Nothing changes at any strength: every feature keeps its value." in outcome.out
    assert "Nothing changes: every feature keeps" in intervene(PROMPT, "--scale", "L1/3@2=1").out


def test_what_overflows_is_one_line(intervene: Run):
    assert refused(intervene(PROMPT, "--set", "L1/3@2=1e30")) == (
        "L1/3@2 changes by 1e+30, too large for float32: the model's output would mean nothing; make a "
        "smaller change."
    )
    large = intervene(PROMPT, "--set", "L1/3@2=1e7", "--top", 0).out
    assert re.search(r'^  L1/3@2 +"w4" +-?\d\.\d\d +1e\+07 +\+1e\+07$', large, re.MULTILINE)


def test_a_generated_position_by_itself(intervene: Run):
    outcome = intervene(PROMPT, "--set", "L1/3@6=9", "--generate", 4)
    assert "  Nothing on the prompt: changes begin with the generated tokens.\n" in outcome.out
    assert refused(intervene(PROMPT, "--set", "L1/3@6=9")) == (
        "There is no position 6; the prompt has positions 0 to 4."
    )


def test_the_file_is_written_and_named(intervene: Run, tmp_path: Path):
    path = tmp_path / "a.safetensors"
    outcome = intervene(PROMPT, "--ablate", "L1/3@2", "--save", path, "--top", 0)
    assert outcome.out.endswith(f"\nSaved  {path}\n")
    assert "Other features" not in outcome.out
    with safe_open(path, "pt") as file:
        assert file.get_tensor("logits_after").shape == (5, 61)
        assert (
            file.get_tensor("feature_pre_activation_before").shape[0]
            == file.get_tensor("feature_layer").shape[0]
        )


def test_ctrl_c_names_what_was_written(intervene: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.safetensors"
    monkeypatch.setattr("clew.cli.reports.intervention.print_intervention", interrupt)
    outcome = intervene(PROMPT, "--ablate", "L1/3@2", "--save", path)
    assert (outcome.code, outcome.err) == (130, f"clew: stopped; {path} had been written.\n")
    assert intervene(PROMPT, "--ablate", "L1/3@2").err == "clew: stopped; nothing was written.\n"


def test_a_disk_that_fills_up_costs_the_file_and_not_the_report(
    intervene: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*arguments: object) -> None:
        raise clew.ClewError("a.safetensors cannot be written: No space left on device.")

    monkeypatch.setattr("clew.intervention.result.save_results", refuse)
    outcome = intervene(PROMPT, "--ablate", "L1/3@2", "--save", tmp_path / "a.safetensors")
    assert "Next token" in outcome.out
    assert outcome.err == "clew: a.safetensors cannot be written: No space left on device.\n"


def test_token_ids_layers_and_sampling(intervene: Run):
    with_ids = intervene("--tokens", "0,3,4", "--ablate", "L1/3@2", "--layers", "0:2")
    assert with_ids.code == 0
    assert with_ids.out.startswith("<a>w3w4\n")
    drawn = [
        intervene(PROMPT, "--ablate", "L1/3", "--generate", 6, "--temperature", 2, "--seed", seed).out
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


NODE = "expected a node and a finite number such as L12/4031@5=0, not {}; see clew intervene --help"
PATCH = (
    "--patch: expected a node and another prompt such as L12/4031@5='OTHER PROMPT', not {}; "
    "see clew intervene --help"
)
NAME = (
    "{} is not a feature such as L12/4031@5; a supernode or a label needs --graph FILE. Positions: @5, "
    "@-1 (the last), @5- (from there on, generated tokens too), @2:5 (2 to 4), @1,4 or @all."
)
ABLATE = "--ablate", "L1/3"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([*ABLATE], "intervene needs a prompt; see clew intervene --help"),
        (
            [*ABLATE, "--strengths", "1"],
            "intervene needs a prompt before --strengths; see clew intervene --help",
        ),
        (
            ["a", "--tokens", "1", *ABLATE],
            "intervene takes a prompt or --tokens, not both; see clew intervene --help",
        ),
        (
            ["a"],
            "intervene needs a change (--ablate, --scale, --set, --add, --patch); see clew intervene --help",
        ),
        (["a", "--set", "L1/3@2"], f"--set: {NODE.format(repr('L1/3@2'))}"),
        (["a", "--set", "L1/3@2=nan"], f"--set: {NODE.format(repr('L1/3@2=nan'))}"),
        (["a", "--add", "=3"], f"--add: {NODE.format(repr('=3'))}"),
        (["a", "--scale", "L1/3@2=much"], f"--scale: {NODE.format(repr('L1/3@2=much'))}"),
        (["a", "--set", "L1/x@2=3"], NAME.format("'L1/x'")),
        (["a", "--ablate", "L1/3@2.5"], NAME.format("'L1/3@2.5'")),
        (["a", "--ablate", "Texas"], NAME.format("'Texas'")),
        (
            ["a", "--ablate", ""],
            "--ablate: expected a node such as L12/4031@5, not ''; see clew intervene --help",
        ),
        (["a", "--patch", "L1/3"], PATCH.format("'L1/3'")),
        (["a", "--patch", "=b"], PATCH.format("'=b'")),
        (["a", "--ablate", "l1/3@2"], NAME.format("'l1/3'") + " Did you mean L1/3?"),
        (["a", "--ablate", "1/3"], NAME.format("'1/3'") + " Did you mean L1/3?"),
        (["a", "--patch", "L1/3@2="], PATCH.format("'L1/3@2='")),
        (
            ["a", *ABLATE, "--layers", "3"],
            "--layers: expected layers such as 3:10 (for 3 to 9) or 3:, not '3'; see clew intervene --help",
        ),
        (
            ["a", *ABLATE, "--layers", "3:3"],
            "--layers: expected layers such as 3:10 (for 3 to 9) or 3:, not '3:3'; see clew intervene --help",
        ),
        (
            ["a", *ABLATE, "--regime", "linear"],
            "--regime: expected direct, frozen-attention or free, not 'linear'; see clew intervene --help",
        ),
        (
            ["a", *ABLATE, "--strengths", "1", "inf"],
            "--strengths: expected a finite number, not 'inf'; see clew intervene --help",
        ),
        (
            ["a", *ABLATE, "--generate", "2", "--regime", "direct"],
            "--generate needs --regime free (the default); see clew intervene --help",
        ),
        (
            ["a", *ABLATE, "--generate", "2", "--layers", "0:1"],
            "--layers and --generate cannot be used together; leave one of them out",
        ),
        (
            ["a", *ABLATE, "--generate", "2", "--temperature", "-1"],
            "--temperature: expected a number from 0, not '-1'; see clew intervene --help",
        ),
        (["a", *ABLATE, "--seed", "2"], "--seed needs --generate N; see clew intervene --help"),
        (["a", *ABLATE, "--temperature", "1"], "--temperature needs --generate N; see clew intervene --help"),
        (
            ["a", *ABLATE, "--save", "x.clew"],
            "--save: expected a name that ends in .safetensors, not 'x.clew'; see clew intervene --help",
        ),
        (
            ["a", *ABLATE, "--save", "/no/such/x.safetensors"],
            "/no/such/x.safetensors cannot be written: there is no folder /no/such; make it first.",
        ),
        (
            ["a", *ABLATE, "--graph", "/no/such.clew"],
            "There is no file /no/such.clew; check its name and folder.",
        ),
    ],
)
def test_a_slip(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str):
    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("a model was about to be loaded")

    monkeypatch.setattr("clew.facade.resolve", fail)
    assert refused(run("intervene", *arguments)) == line


def test_what_the_model_does_not_have(intervene: Run, graph_file: Path):
    for change, line in {
        "L9/3@2": "There is no layer 9 (L9/3); the model has layers 0 to 2.",
        "L1/99@2": "Layer 1 has no feature 99; it has features 0 to 19.",
        "L1/3@9": "There is no position 9; the prompt has positions 0 to 4.",
    }.items():
        assert refused(intervene(PROMPT, "--ablate", change)) == line
    assert refused(intervene(PROMPT, "--ablate", "Dallas", "--graph", graph_file)) == (
        "The graph has no supernode and no label 'Dallas'; it has 'Texas'."
    )
    assert refused(intervene("w40 w41", "--ablate", "Texas", "--graph", graph_file)) == (
        "The graph is of another prompt than the one that is changed; trace this one."
    )


def test_the_whole_model_responds_by_default():
    assert build_parser().parse_args(["intervene", "a", *ABLATE]).regime == "free"
    assert inspect.signature(clew.Model.intervene).parameters["regime"].default == "free"
    assert InterventionSettings().regime == "free"
    assert options_of(InterveneRequest)["regime"].default == "free"


@pytest.mark.real
@pytest.mark.parametrize(
    ("sink", "row", "probability"),
    [
        (["--sink", "<|endoftext|>"], r"-22\.90  45\.80  \+68\.70", r"80\.6"),
        ([], r"-24\.23  48\.46  \+72\.68", r"77\.8"),
    ],
)
def test_the_capital_of_france_without_its_capital(run: Run, sink: list[str], row: str, probability: str):
    features = ["--dictionary", "neurons", "--scale", "L24/1005@5=-2"]
    outcome = run("intervene", "The capital of France is", *features, *sink)
    assert outcome.code == 0
    assert re.search(rf'^  L24/1005@5  " is"  {row}$', outcome.out, re.MULTILINE)
    assert re.search(rf'^  " Paris" +{probability}% +\S+%  ░{{10,}}', outcome.out, re.MULTILINE)


def test_what_the_tokenizer_changes_in_a_prompt_is_said_once(intervene: Run):
    outcome = intervene("w3 Oslo", "--ablate", "L0/3@1", "--patch", "L1/3@1=@1:w3 Rome", "--generate", 2)
    assert outcome.code == 0
    said = outcome.err.splitlines()
    assert [line.partition(" becomes ")[0] for line in said] == [
        'Warning: The tokenizer of tiny changes the prompt: "Oslo"',
        'Warning: The tokenizer of tiny changes the other prompt: "Rome"',
    ]
    assert intervene("w3 w4", "--ablate", "L0/3@1").err == ""


def test_a_trace_says_it_in_its_report_alone(trace: Run):
    outcome = trace("w3 Oslo")
    assert outcome.err == ""
    assert "changes the prompt" in outcome.out
