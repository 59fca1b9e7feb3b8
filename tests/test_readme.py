"""Commands and Python of the README, the guide and the help run as written, in order, on a fresh machine."""

from __future__ import annotations

import lzma
import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clew.cli.main import main
from clew.cli.parser import build_parser, parse

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(page for folder in ("guide", "course") for page in sorted((ROOT / "docs" / folder).glob("*.md"))),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"clew (?!is |trace PROMPT)")  # others are printed
PLACEHOLDER = re.compile(r"\b(org/|my-|localhost:)")
"""What a reader replaces: a reference on the hub, a file or folder of their own, an endpoint."""
LONG = re.compile(r"(first|second)-dictionary")
"""Minutes of training, however little the text, and what needs its result; `tests/training` trains."""

SMALLER = {
    "trace": ["--max-nodes", "256"],
    "validate": ["--top", "3", "--random", "3"],
}
"""Options behind those that are shown, so that running all of it takes about a minute."""
LARGE = 1024
"""Nodes of a graph that is too large to be remembered."""

Step = tuple[str, str]
"""Either ("command", a line) or ("python", a block)."""


def steps(text: str) -> list[Step]:
    """What a page tells a reader to run, in order."""
    found: list[Step] = []
    for kind, block in BLOCK.findall(text):
        if kind == "python":
            found.append(("python", block))
        elif not kind:
            lines = [line.removeprefix("$ ") for line in block.splitlines()]
            found += [("command", line) for line in lines if COMMAND.match(line)]
    return found


def examples_of_help() -> dict[str, list[Step]]:
    """The examples that each command's help ends with."""
    from tools.reference.command_line import commands_of

    parser = build_parser()
    return {
        each.prog: [("command", line.strip()) for line in (each.epilog or "").splitlines()[1:]]
        for each in (parser, *commands_of(parser))
    }


def words(command: str) -> list[str]:
    return shlex.split(command, comments=True)[1:]


READ = {page.stem: steps(page.read_text(encoding="utf-8")) for page in PAGES} | examples_of_help()
SHOWN = list(dict.fromkeys(text for shown in READ.values() for kind, text in shown if kind == "command"))


@pytest.mark.parametrize("command", SHOWN)
def test_every_command_that_is_shown_exists(command: str):
    assert parse(words(command)).command == words(command)[0]


def remembered(function: Callable, *, without: tuple[str, ...] = ()) -> Callable:
    """The function, which answers an equal call with the first one's result."""
    results: dict[str, Any] = {}

    def call(*given: Any, **options: Any) -> Any:
        named = sorted((name, value) for name, value in options.items() if name not in without)
        key = repr(([id(each) if hasattr(each, "dictionary") else each for each in given], named))
        if key in results:
            return results[key]
        result = function(*given, **options)
        if options.get("max_nodes", 0) < LARGE:
            results[key] = result
        return result

    return call


def shipped_index(given: list[str]) -> None:
    """The index that comes with clew, in the place of one that takes minutes to make."""
    made = parse(given)
    assert all(path.exists() for path in map(Path, made.data)), given
    dictionary = "neurons" if "neurons" in given else "smollm2-plt"
    (packed,) = (ROOT / "src").rglob(f"smollm2--{dictionary}.sqlite3.xz")
    out = Path(made.out or Path(os.environ["CLEW_INDEXES"]) / packed.stem)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(lzma.decompress(packed.read_bytes()))


@pytest.fixture(scope="module")
def one_session() -> Iterator[None]:
    """Every page uses the same loaded models and equal traces; a server ends as soon as it serves."""
    import clew
    import clew.facade
    import clew.server.http_server as server

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clew, "load", remembered(clew.load, without=("on_note",)))
        patch.setattr(clew.facade, "load_model", remembered(clew.facade.load_model, without=("on_note",)))
        patch.setattr(clew.Model, "trace", remembered(clew.Model.trace, without=("on_progress",)))
        patch.setattr(clew.Model, "check", remembered(clew.Model.check, without=("on_progress",)))
        patch.setattr(server, "serve", lambda address, library, *_: library.close())
        patch.setattr("webbrowser.open", lambda link: True)
        yield


@pytest.fixture
def fresh_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the clone's documentation alone, and no index or library."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path / "indexes"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def run_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = words(command)
    if given[0] == "index" and given[1].startswith("--data"):
        shipped_index(given)
        return
    capsys.readouterr()
    code = main([*given, *SMALLER.get(given[0], [])])
    assert code == 0, f"{command}\n{capsys.readouterr().err}"


@pytest.mark.real
@pytest.mark.usefixtures("one_session", "fresh_machine")
@pytest.mark.parametrize("name", [name for name, shown in READ.items() if shown])
def test_what_a_page_shows_runs_in_order(name: str, capsys: pytest.CaptureFixture[str]):
    names: dict[str, Any] = {}
    printed: list[str] = []
    for kind, text in READ[name]:
        if PLACEHOLDER.search(text) or LONG.search(text):
            continue
        if kind == "command":
            run_command(text, capsys)
            continue
        capsys.readouterr()
        exec(compile(text, name, "exec"), names)
        printed += capsys.readouterr().out.splitlines()
    page = next((page.read_text(encoding="utf-8") for page in PAGES if page.stem == name), "")
    assert all(line in page for line in printed if line.startswith(("Generation(", "InterventionResult(")))


@pytest.mark.real
@pytest.mark.usefixtures("one_session")
def test_the_swap_that_the_readme_tells_is_measured():
    import clew
    from clew.gallery.exhibits import exhibit_named

    swap = clew.load().swap_test(clew.open(exhibit_named("capital").graph_file))
    paris = swap.result.top[0]
    measured = (
        *(paris.probability_before, paris.probability_after),
        *(swap.probability_before, swap.probability_after(swap.shown)),
    )
    found = re.search(r"falls from (\S+) to (\S+), and .* from (\S+) to (\S+)\.\n", PAGES[0].read_text())
    assert found is not None
    assert list(found.groups()) == [f"{value:.2f}" if value > 0.01 else f"{value:.1g}" for value in measured]
