"""The command as a whole: help, version, documentation, defaults, imports, pipes, progress."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clew.cli.parser import COMMANDS, CommandGroup, build_parser
from clew.load_settings import LoadSettings
from clew.options import options_of
from clew.version import __version__

from .conftest import Run

CLEW = [sys.executable, "-m", "clew.cli.main"]


EVERY = [
    *COMMANDS,
    *(
        f"{name} {action}"
        for name, group in COMMANDS.items()
        if isinstance(group, CommandGroup)
        for action in group.actions
    ),
]
"""All that can follow `clew`."""


def test_version_and_help(run: Run):
    assert run("--version").out == f"clew {__version__}\n"
    assert run().out == run("--help").out
    assert run("dictionary").out == run("dictionary", "--help").out
    for command in EVERY:
        outcome = run(*command.split(), "--help")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.startswith(f"usage: clew {command} ")
        assert 2 <= len(outcome.out.split("example:\n")[1].splitlines()) <= 4
        assert max(map(len, outcome.out.splitlines())) <= 80


def test_defaults_and_limits_are_those_of_the_library():
    from clew.facade import Model, load
    from clew.model.loading import DTYPES

    assert set(options_of(LoadSettings)["dtype"].choices) == set(DTYPES)
    given = vars(build_parser().parse_args(["trace"]))
    for function in (Model.trace, load):
        for name, parameter in inspect.signature(function).parameters.items():
            if name in given and parameter.default is not parameter.empty:
                assert given[name] == parameter.default, name


def test_help_and_import_load_nothing_heavy():
    check = "import sys, clew, clew.cli.main as m; m.main(['trace', '--help']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert {"torch", "transformers", "numpy", "rich"}.isdisjoint(loaded.stdout.split())


def test_show_needs_no_torch(run: Run, trace: Run, tmp_path: Path):
    trace("w3 w4 w5", "--out", tmp_path / "a.clew")
    check = (
        f"import sys, clew.cli.main as m; m.main(['show', {str(tmp_path / 'a.clew')!r}]); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert "Most influential features" in loaded.stdout
    assert {"torch", "transformers", "pandas"}.isdisjoint(loaded.stdout.split())


def test_exit_codes_of_the_real_command():
    slip = subprocess.run([*CLEW, "show", "/no/such/file"], capture_output=True, text=True)
    assert slip.returncode == 2
    assert slip.stderr == "clew: There is no file /no/such/file; check its name and folder.\n"
    assert subprocess.run([*CLEW, "--help"], capture_output=True).returncode == 0


def test_a_reader_that_leaves_early_is_no_error(trace: Run, tmp_path: Path):
    trace("w3 w4 w5", "--out", tmp_path / "a.clew")
    reading, writing = os.pipe()
    os.close(reading)
    shown = subprocess.run(
        [*CLEW, "show", tmp_path / "a.clew"], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert shown.stderr == ""


def test_an_encoding_without_arrows_gets_plain_ones(trace: Run, tmp_path: Path):
    trace("w3 w4 w5", "--out", tmp_path / "a.clew")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(
        [*CLEW, "show", tmp_path / "a.clew"], capture_output=True, env=environment, check=True
    )
    assert b'"w3 w4 w5" -> ' in shown.stdout


def test_models_lists_what_is_here_and_how_to_get_the_rest(
    run: Run, monkeypatch: pytest.MonkeyPatch, model_folder: Path
):
    from clew.model.ready_models import ReadyModel

    models = [
        ReadyModel("here", "cache", "a model", "MIT", converted=True, folder=model_folder, size=93_000_000),
        ReadyModel("gemma3-270m", "short name", "another", "Gemma terms", command="pip install it==1.0"),
    ]
    monkeypatch.setattr("clew.model.ready_models.ready_models", lambda: models)
    lines = run("models").out.splitlines()
    assert lines[:4] == ["Ready", "  here  MIT  93 MB", "    a model", f"    in {model_folder}"]
    assert lines[5:9] == [
        "Not here yet",
        "  gemma3-270m  Gemma terms",
        "    another",
        "    pip install it==1.0",
    ]
    assert "terms" in lines[9]


def test_progress_shows_on_a_terminal_and_leaves_nothing_behind(model_folder: Path):
    """Stderr is a terminal here, stdout a pipe."""
    pty = pytest.importorskip("pty")
    terminal, child_end = pty.openpty()
    command = [*CLEW, "trace", "w3 w4 w5", "--model", str(model_folder)]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=child_end, env=environment)
    os.close(child_end)
    shown = b""
    while chunk := _read(terminal):
        shown += chunk
    report, _ = process.communicate()
    os.close(terminal)
    assert process.returncode == 0
    assert b"\x1b" not in report
    assert b"Loading" in shown
    # The last thing: cursor back, line up, line cleared.
    assert re.search(rb"\x1b\[2K$", shown)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_notes_are_plain_lines_where_nothing_can_move(capsys: pytest.CaptureFixture[str]):
    from clew.cli.progress import Progress

    with Progress() as progress:
        progress.stage("Loading")
        progress.note("Converting x once (about half a minute) ...")
        progress.work("rows", 0, 10)
        progress.work("rows", 10, 10)
    captured = capsys.readouterr()
    assert captured.err == "Converting x once (about half a minute) ...\n"
    assert captured.out == ""


def test_python_runs_it_as_a_module():
    asked = subprocess.run(
        [sys.executable, "-m", "clew", "--version"], capture_output=True, text=True, check=True
    )
    assert asked.stdout == f"clew {__version__}\n"
