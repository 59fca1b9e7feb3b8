"""Names of files that no file can have are refused in one sentence at every door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.cli.main import main
from clew.errors import ClewError
from clew.files import named_path
from tests.graph.test_file import full_graph

DOORS: dict[str, Callable[[str], Any]] = {
    "open": clew.open,
    "model": clew.load,
    "dictionary": lambda name: clew.load("nowhere", dictionary=name),
    "index": clew.open_index,
    "save": lambda name: full_graph().save(name),
}
NAMES = {
    "~nobody-of-this-name/a.clew": "no user here has the home ~nobody-of-this-name",
    "a\0b.clew": "holds a zero byte",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("door", DOORS)
def test_a_name_that_no_file_can_have(door: str, name: str) -> None:
    with pytest.raises(ClewError, match=NAMES[name]):
        DOORS[door](name)


@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_says_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["show", name], ["index", "show", name, "L1/3"], ["annotate", name, "--pin", "L1/3@2"]):
        assert main(command) == 2
        assert NAMES[name] in capsys.readouterr().err


def test_the_home_is_found() -> None:
    assert named_path("~/a.clew") == Path.home() / "a.clew"
