"""`clew check`: one screen, and an exit code that says whether anything failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clew.errors import ClewError
from clew.model_check.check_model import CHECKS
from tests.cli.conftest import Run


def test_a_sound_model_is_one_screen(run: Run, model_folder: Path):
    outcome = run("check", model_folder)
    assert outcome.code == 0, outcome.out
    lines = outcome.out.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert lines[0] == "tiny with neurons"
    assert str(model_folder) in "".join(outcome.out.split())
    assert "All 10 checks are ok" in lines[-1]
    for name in ("tensors", "tokenizer", "sink", "logits", "conservation", "rows by autograd", "versions"):
        assert any(line.startswith(f"  {name} ") for line in lines), name


def test_what_fails_is_named_with_what_to_do(run: Run, model_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clew.model_check.facts.free_bytes", lambda device: 1000)
    outcome = run("check", model_folder)
    assert outcome.code == 1
    assert "FAIL" in outcome.out
    assert "memory failed\n  Close other programs, or trace with a smaller --max-nodes." in outcome.out
    assert "1 of 10 checks failed: memory" in outcome.out
    assert len(outcome.out.splitlines()) <= 40


def test_json_holds_every_finding(run: Run, model_folder: Path):
    outcome = run("check", model_folder, "--json")
    read: dict[str, Any] = json.loads(outcome.out)
    assert (outcome.code, read["ok"], read["model"]) == (0, True, "tiny")
    assert len(read["findings"]) == CHECKS
    assert {finding["name"]: finding for finding in read["findings"]}["logits"]["measured"] < 1e-6


def test_values_that_are_not_numbers_leave_the_rest_unmeasured(
    run: Run, model_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def overflow(*given: object) -> None:
        raise ClewError("The model's output is not finite; use --dtype float32.")

    monkeypatch.setattr("clew.model_check.numbers.record", overflow)
    outcome = run("check", model_folder)
    assert outcome.code == 1
    assert "1 of 4 checks failed: finite" in outcome.out
    assert "use --dtype float32" in outcome.out
    assert "Not measured: logits, conservation, rows by autograd, interventions" in outcome.out


def test_a_model_that_does_not_load_is_refused_as_elsewhere(run: Run, tmp_path: Path):
    checked, traced = run("check", tmp_path), run("trace", "w3", "--model", tmp_path)
    assert checked.code == traced.code == 2
    assert checked.err == traced.err
    assert checked.out == ""
