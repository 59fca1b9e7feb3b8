"""`clew validate` on a tiny model: what it prints, what it draws, what it refuses."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

import clew
from clew.cli.reports.validation_plot import validation_svg

from .conftest import Run
from .test_errors import refused


@pytest.fixture
def whole(trace: Run, tmp_path: Path) -> Path:
    """A whole graph of the tiny model."""
    assert trace("w3 w4 w5 w6", "--out", tmp_path / "a.clew", "--keep", "all").code == 0
    return tmp_path / "a.clew"


def test_the_report_has_every_part(run: Run, whole: Path):
    outcome = run("validate", whole, "--top", 20, "--random", 15)
    assert (outcome.code, outcome.err) == (0, "")
    first, facts, *_ = outcome.out.splitlines()
    assert first.startswith('"w3 w4 w5 w6" → ')
    assert re.fullmatch(r"tiny · neurons · 20 most influential features and 15 at random, of \d+", facts)
    gap = re.search(r"each feature does what its edges say: worst gap (\S+)\.$", outcome.out, re.MULTILINE)
    assert gap
    assert float(gap[1]) < 1e-3
    cells = r" +(-?\d\.\d\d|-) +(-?\d\.\d\d|-)" * 3
    for name, count in (("all", 35), ("top", 20), ("random", 15), (r"layer \d", r"\d+")):
        assert re.search(rf"^  {name} +{count}{cells}$", outcome.out, re.MULTILINE)
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_a_circuit_of_what_pruning_keeps(run: Run, whole: Path):
    kept = clew.open(whole).prune().size.features
    for how in ("zero", "mean"):
        outcome = run("validate", whole, "--top", 2, "--random", 2, "--circuit", how)
        assert f"What pruning keeps  ({kept} features as a circuit)" in outcome.out
        assert re.search(rf"^  these alone, all others at {how} +\d", outcome.out, re.MULTILINE)
        assert re.search(r"^  the whole model +0\.\d", outcome.out, re.MULTILINE)


def test_the_scatter_plot_is_a_small_svg(run: Run, whole: Path, tmp_path: Path):
    drawn = tmp_path / "a.svg"
    outcome = run("validate", whole, "--top", 20, "--random", 15, "--svg", drawn)
    assert outcome.out.endswith(f"Saved  {drawn}\n")
    root = ET.fromstring(drawn.read_text(encoding="utf-8"))
    texts = " ".join("".join(element.itertext()) for element in root.iter())
    for fact in (
        "tiny · neurons · 20 most influential features and 15 at random",
        "worst gap",
        "Spearman: all ",
        "Influence and KL by layer",
    ):
        assert fact in texts
    assert len(set(re.findall(r"L\d+/\d+@\d+", texts))) >= 4
    assert drawn.stat().st_size < 200_000
    assert "prefers-color-scheme: dark" in drawn.read_text(encoding="utf-8")


def test_equal_points_and_zeros_are_drawn(whole: Path, model_folder: Path):
    graph = clew.open(whole)
    result = clew.load(model_folder).validate(graph, count=2, random_count=1)
    zeros = [replace(node, influence=0, kl=0, predicted=0, measured=0) for node in result.nodes]
    for nodes in ([], zeros[:1], zeros):
        ET.fromstring(validation_svg(graph, replace(result, nodes=tuple(nodes))))


def test_without_matplotlib_the_message_says_how_to_get_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert refused(run("validate", "a.clew", "--svg", tmp_path / "a.svg")) == (
        "--svg needs matplotlib, which is not installed: pip install matplotlib."
    )


def test_the_same_seed_prints_the_same(run: Run, whole: Path):
    outputs = [run("validate", whole, "--top", 3, "--seed", seed).out for seed in (7, 7, 8)]
    assert outputs[0] == outputs[1] != outputs[2]


def test_a_pruned_graph_will_do(run: Run, trace: Run, tmp_path: Path):
    trace("w3 w4 w5 w6", "--out", tmp_path / "b.clew")
    assert run("validate", tmp_path / "b.clew", "--top", 5, "--random", 5).code == 0


def test_a_graph_that_names_no_model_needs_one(run: Run, whole: Path, model_folder: Path, tmp_path: Path):
    bare = tmp_path / "bare.clew"
    clew.open(whole).with_info(settings={}, generator="another tool 1.0").save(bare)
    line = refused(run("validate", bare))
    assert line == (
        f"{bare} does not say how to load its model (it was made by another tool 1.0); pass --model NAME, "
        "and --dictionary REF for its features."
    )
    assert run("validate", bare, "--model", model_folder, "--top", 3, "--random", 3).code == 0


def test_another_tool_s_settings_are_not_trusted(run: Run, whole: Path, tmp_path: Path):
    foreign = tmp_path / "foreign.clew"
    replace(clew.open(whole), foreign={"metadata": {}}).save(foreign)
    assert "does not say how to load its model" in refused(run("validate", foreign))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--top", "0", "--random", "0"], "validate needs at least one feature to remove"),
        (["--nodes", "Texas"], "--nodes needs --circuit zero or --circuit mean; see clew validate --help"),
        (
            ["--top", "0", "--random", "0", "--circuit", "zero", "--svg", "a.svg"],
            "validate needs at least one feature to remove",
        ),
        (["--top", "-1"], "--top: expected a whole number from 0, not '-1'; see clew validate --help"),
        (["--random", "x"], "--random: expected a whole number from 0, not 'x'; see clew validate --help"),
        (["--seed", "1.5"], "--seed: expected a whole number from 0, not '1.5'; see clew validate --help"),
        (["--circuit", "half"], "--circuit: expected zero or mean, not 'half'; see clew validate --help"),
        (["--svg", "a.png"], "--svg: expected a name that ends in .svg, not 'a.png'"),
        (["--svg", "/no/such/a.svg"], "/no/such/a.svg cannot be written: there is no folder /no/such"),
        (["--dtype", "int8"], "--dtype: expected float32, bfloat16 or float16, not 'int8'"),
    ],
)
def test_slips_are_told_before_anything_is_loaded(run: Run, options: list[str], line: str):
    assert refused(run("validate", "no-such.clew", *options)).startswith(line)


def test_what_is_no_graph_is_refused(run: Run):
    assert refused(run("validate", "no-such.clew")) == (
        "There is no file no-such.clew; check its name and folder."
    )


def test_a_difference_is_spelt_as_elsewhere(run: Run, trace: Run, model_folder: Path, tmp_path: Path):
    trace("w3 w4 w5", "--targets", "w7 minus w9", "--keep", "all", "--out", tmp_path / "d.clew")
    first = run("validate", tmp_path / "d.clew", "--top", 3, "--random", 3).out.splitlines()[0]
    assert first == '"w3 w4 w5" → "w7" minus "w9"'
    model = "--model", model_folder
    changed = run("intervene", "w3 w4 w5", "--set", "L0/3@2=9", "--graph", tmp_path / "d.clew", *model).out
    assert "What the graph predicts  (change of the centred logit, or of a difference)" in changed
    assert '\n  "w7" minus "w9" ' in changed
