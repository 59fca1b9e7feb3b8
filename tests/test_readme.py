"""Commands and Python of the README and the guide run as they stand."""

from __future__ import annotations

import functools
import lzma
import re
import shlex
from pathlib import Path

import pytest

from clew.cli.main import main
from clew.cli.parser import build_parser, parse

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
ELSEWHERE = re.compile(
    r"clew train|first-dictionary|org/|my-|serve|--open|--limit|--shard|--tokens|index merge|gemma"
)
"""Examples that need a hub, a model that is not here, an endpoint, or minutes."""

SMALLER = {"trace": ["--max-nodes", "512"], "validate": ["--top", "5", "--random", "5"]}
"""Options behind those that are shown, so that running all of it takes less than a minute."""
LONG = re.compile(r"org/|\.train\(")
"""Python that needs the network, or minutes."""


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def commands(page: Path) -> list[str]:
    """The commands that a page shows, without prompts and comments."""
    lines = [line.removeprefix("$ ") for block in blocks(page, "") for line in block.splitlines()]
    return [line for line in lines if re.match(r"clew (?!is |trace PROMPT)", line)]  # others are printed


def words(command: str) -> list[str]:
    return shlex.split(command, comments=True)[1:]


SHOWN = list(dict.fromkeys(command for page in PAGES for command in commands(page)))
HERE = [command for command in SHOWN if not ELSEWHERE.search(command)]


@pytest.mark.parametrize("command", SHOWN)
def test_every_command_that_is_shown_exists(command: str):
    assert parse(words(command)).command == words(command)[0]


def test_every_example_of_a_command_exists():
    from tools.reference.command_line import commands_of

    parser = build_parser()
    for each in (parser, *commands_of(parser)):
        for line in (each.epilog or "").splitlines()[1:]:
            assert parse(words(line.strip())).command, line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that commands of several pages name."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "texts").mkdir()
    (folder / "texts" / "one.txt").write_text("Paris is the capital of France.\n", encoding="utf-8")
    (packed,) = (ROOT / "src").rglob("smollm2--neurons.sqlite3.xz")
    (folder / "smollm2.sqlite3").write_bytes(lzma.decompress(packed.read_bytes()))
    return folder


@pytest.fixture(scope="module")
def with_one_model():
    """Every command and every block uses the same loaded model."""
    import clew.facade

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clew.facade, "load_language_model", functools.cache(clew.facade.load_language_model))
        yield


@pytest.mark.real
@pytest.mark.usefixtures("with_one_model")
def test_commands_that_are_shown_run(folder: Path, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CLEW_INDEXES", str(folder / "indexes"))
    first = ["trace", "The capital of France is", "--out", "paris.clew", "--json", "cold.json"]
    for given in (first, *map(words, HERE)):
        capsys.readouterr()
        code = main([*given, *SMALLER.get(given[0], [])])
        assert code == 0, f"{shlex.join(given)}\n{capsys.readouterr().err}"


@pytest.mark.real
@pytest.mark.usefixtures("with_one_model")
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(not LONG.search(block) for block in blocks(page, "python"))],
    ids=lambda page: page.stem,
)
def test_python_that_is_shown_runs(page: Path, folder: Path, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    code = "\n".join(block for block in blocks(page, "python") if not LONG.search(block))
    exec(compile(code, page.name, "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    text = page.read_text(encoding="utf-8")
    assert all(line in text for line in printed if line.startswith(("Generation(", "InterventionResult(")))
