"""The command run in this process, and with a tiny model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from clew.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """What a command returned and printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`run("show", path)`: the command in this process, 80 columns wide, without indexes."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path / "indexes"))

    def command(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return command


@pytest.fixture
def trace(run: Run, model_folder: Path) -> Run:
    """`trace("w3 w4", "--out", path)` with the tiny model."""
    return lambda *arguments: run("trace", *arguments, "--model", model_folder)
