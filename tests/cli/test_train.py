"""`clew train` as one types it: it ends, is killed, goes on to the same weights, and says what it does."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from clew.cli.training_view import TrainingView, table_of_layers
from clew.dictionary.reference import load_transcoders
from clew.training.run import StepFigures

SMALL = [
    *("--features", "24", "--l0", "4", "--context", "9", "--batch", "144", "--end-to-end-batch", "72"),
    *("--tokens", "3456", "--end-to-end", "576"),
]


def weights(folder: Path):
    return {
        (layer, name): getattr(part, name).read()
        for layer, part in load_transcoders(folder).layers.items()
        for name in ("encoder", "encoder_bias", "decoder_bias")
    }


def test_a_dictionary_is_trained_and_then_traced(run, model_folder, tmp_path):
    out = tmp_path / "out"
    outcome = run("train", "--model", model_folder, "--out", out, *SMALL, "--bits", 4)
    assert outcome.code == 0, outcome.err
    assert f"Saved  {out} (per-layer transcoders" in outcome.out
    assert "The run takes about" in outcome.err
    assert "2 of 2, all layers end to end: step 8 of 8, FVU" in outcome.err
    traced = run("trace", "w3 w4", "--model", model_folder, "--dictionary", out, "--no-check")
    assert traced.code == 0, traced.err
    again = run("train", "--model", model_folder, "--out", out, *SMALL)
    assert again.code == 2
    assert "already holds something" in again.err


def test_a_run_killed_at_random_ends_with_the_same_weights(run, model_folder, tmp_path):
    settings = [*SMALL, "--checkpoint", "1e-6"]
    assert run("train", "--model", model_folder, "--out", tmp_path / "whole", *settings).code == 0
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "clew", "train", "--model", str(model_folder), "--out", str(out)]
    process = subprocess.Popen([*command, *settings], stderr=subprocess.DEVNULL)
    log, stop = out / "log.jsonl", random.randint(1, 20)
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= stop):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "config.yaml").exists(), f"it was to be killed after step {stop}"
    resumed = run("train", "--model", model_folder, "--out", out, "--resume")
    assert resumed.code == 0, resumed.err
    expected = weights(tmp_path / "whole")
    assert all(torch.equal(array, expected[name]) for name, array in weights(out).items()), stop


def test_ctrl_c_saves_a_dictionary(run, model_folder, tmp_path, monkeypatch):
    def stop(view, figures):
        if figures.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(TrainingView, "figures", stop)
    outcome = run("train", "--model", model_folder, "--out", tmp_path / "out", *SMALL)
    assert outcome.code == 130
    assert "holds the transcoders after step 3 of 32; the same command with --resume continues" in outcome.err
    assert len(load_transcoders(tmp_path / "out").layers) == 3


@pytest.mark.parametrize("width", [40, 80, 120])
def test_all_layers_fit_on_a_screen(width):
    figures = StepFigures("local", 1, 9, 10, torch.rand(30), torch.rand(30) * 200, torch.rand(30))
    lines = table_of_layers(figures, range(30), width)
    assert all(len(line) <= width for line in lines)
    assert len(lines) <= 31
    assert [word for line in lines for word in line.split() if word[0] == "L" and word[1:].isdigit()].count(
        "L7"
    ) == 1
