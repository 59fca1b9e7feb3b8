"""No control character of a file, a name or a library reaches a terminal: each is shown as an escape."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.live import Live
from rich.text import Text

from clew.cli.console import VisibleConsole
from clew.cli.output import VisibleStream, guard_stderr, visible_output
from clew.graph.graph import Graph
from clew.graph.neuronpedia.writer import to_neuronpedia
from clew.graph.writer import _strict_json
from clew.plain_text import visible
from tests.graph.test_file import full_graph

from .conftest import Run

EVIL = "\x1b]0;OWNED\x07\x1b[31m\u202eRED\x9b2J\x7f\r\u2066"
"""A title for the window, a colour, a text that runs backwards, and an empty screen."""
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def evil(value: Any) -> Any:
    """The value with the evil text in every text in it, keys too."""
    match value:
        case str():
            return value + EVIL
        case dict():
            return {key if isinstance(key, int) else evil(key): evil(each) for key, each in value.items()}
        case tuple() | list():
            return type(value)(evil(each) for each in value)
    return value


def evil_graph() -> Graph:
    graph = full_graph()
    info = graph.info
    texts = {
        name: evil(getattr(info, name))
        for name in (
            "prompt",
            "tokens",
            "model",
            "dictionary",
            "predictions",
            "timing",
            "generator",
            "created",
        )
    }
    targets = tuple(replace(target, text=evil(target.text)) for target in info.targets)
    notes = graph.annotations
    supernodes = tuple((evil(name), members) for name, members in notes.supernodes)
    return replace(
        graph,
        info=replace(info, **texts, targets=targets, description=EVIL, settings={evil("sink"): EVIL}),
        annotations=replace(
            notes,
            labels=dict.fromkeys(notes.labels, EVIL),
            feature_labels=dict.fromkeys(notes.feature_labels, EVIL),
            supernodes=supernodes,
            supernode_colors={},
            supernode_places={},
        ),
    )


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    return evil_graph().save(tmp_path / "evil.clew")


@pytest.mark.parametrize("arguments", [["show"], ["annotate", "--pin", "L0/0@0" + EVIL]])
def test_texts_of_a_graph_are_shown(run: Run, graph_file: Path, arguments: list[str]):
    command, *others = arguments
    outcome = run(command, graph_file, *others)
    assert "OWNED" in outcome.out + outcome.err
    assert not STEERS.search(outcome.out + outcome.err)


@pytest.mark.parametrize(
    ("section", "key"), [("nodes", "node_id"), ("links", "source"), ("nodes", "feature_type")]
)
def test_names_of_nodes_and_ends_of_links_are_shown(run: Run, tmp_path: Path, section: str, key: str):
    data = to_neuronpedia(full_graph())
    data[section][0][key] = EVIL
    path = tmp_path / "graph.json"
    path.write_bytes(_strict_json(data))
    outcome = run("show", path)
    assert outcome.code == 2
    assert "OWNED" in outcome.err
    assert not STEERS.search(outcome.err)


@pytest.mark.parametrize(
    "arguments", [["show", EVIL], ["index", "show", EVIL, "L0/1"], ["trace", "a", EVIL], ["--" + EVIL]]
)
def test_names_of_files_and_options_are_shown(run: Run, arguments: list[str]):
    outcome = run(*arguments)
    assert outcome.code == 2
    assert not STEERS.search(outcome.err)


def test_errors_of_yaml_are_shown(run: Run, tmp_path: Path):
    (tmp_path / "config.yaml").write_text('"\\e]0;OWNED\\a\\u202e": "\\e[31m"\n')
    outcome = run("dictionary", "save", tmp_path, tmp_path / "out")
    assert outcome.code == 2
    assert "OWNED" in outcome.err
    assert not STEERS.search(outcome.err)


def test_what_a_library_prints_is_shown(capsys: pytest.CaptureFixture[str]):
    with visible_output():
        print(EVIL)
        print(EVIL, file=sys.stderr)
    captured = capsys.readouterr()
    assert captured.out == captured.err == visible(EVIL) + "\n"
    assert not isinstance(sys.stdout, VisibleStream)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_styles_reach_a_terminal_and_texts_do_not_steer_it():
    terminal = Terminal()
    console = VisibleConsole(file=terminal, force_terminal=True, color_system="standard", width=200)
    console.print(Text(EVIL, style="bold"))
    shown = terminal.getvalue()
    assert shown.startswith("\x1b[1m")
    assert not STEERS.search(re.sub("\x1b\\[[01]m", "", shown))


def test_what_is_printed_beside_a_live_display_does_not_steer_the_terminal(monkeypatch: pytest.MonkeyPatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    console: Console = VisibleConsole(stderr=True, force_terminal=True, color_system="standard", width=200)
    with visible_output(), Live(console=console, auto_refresh=False):
        guard_stderr()
        print("\x1b[31mred\x1b[0m", file=sys.stderr, flush=True)
    assert "\\x1b[31mred\\x1b[0m" in terminal.getvalue()
    assert "\x1b[31m" not in terminal.getvalue()


def test_bars_of_the_hub_move_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch):
    terminal, log = Terminal(), io.StringIO()
    for stream in (terminal, log):
        VisibleStream(stream).writelines(["\r50 %", "\n\x1b[A", "a\rb\x1b[A"])
    assert terminal.getvalue() == "\r50 %\n\x1b[Aa\\rb\\x1b[A"
    assert log.getvalue() == "\\r50 %\n\\x1b[Aa\\rb\\x1b[A"
