"""Every public name, option and route is described, and the generated pages are those of this code."""

from __future__ import annotations

import inspect

import pytest

from clew.cli.parser import build_parser
from clew.graph.arrays import ARRAY_TYPES, OPTIONAL_NODE_ARRAYS
from clew.index.storage.schema import MIGRATIONS
from tools.reference.__main__ import FOLDER, PAGES
from tools.reference.command_line import commands_of, options_of_command
from tools.reference.docstrings import docstring_of
from tools.reference.python_api import exported, methods, properties, returned_classes

PUBLIC = {**exported(), **{each.__name__: each for each in returned_classes()}}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
CALLABLES = {name: value for name, value in exported().items() if inspect.isfunction(value)} | {
    f"{name}.{method}": value
    for name, owner in exported().items()
    if inspect.isclass(owner)
    for method, value in methods(owner).items()
}
COMMANDS = {parser.prog: parser for parser in (build_parser(), *commands_of(build_parser()))}


def page(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_those_of_this_code(name: str):
    assert PAGES[name]() == page(name), "the page is stale; run make reference"


def test_each_class_has_a_name_of_its_own():
    names = [each.__name__ for each in (*returned_classes(), *exported().values())]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_a_docstring(name: str):
    assert docstring_of(PUBLIC[name]).text


@pytest.mark.parametrize("name", CLASSES)
def test_every_member_of_a_public_class_has_a_docstring(name: str):
    members = {**methods(CLASSES[name]), **properties(CLASSES[name])}
    assert [member for member, value in members.items() if not docstring_of(value).text] == []


@pytest.mark.parametrize("name", CALLABLES)
def test_every_parameter_of_a_public_function_is_described(name: str):
    described = docstring_of(CALLABLES[name]).parameters.keys()
    assert inspect.signature(CALLABLES[name]).parameters.keys() - {"self"} - described == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_sentence(command: str):
    section = page("command-line.md").partition(f"# `{command}`\n")[2].partition("\n## ")[0]
    for action in options_of_command(COMMANDS[command]):
        assert len(str(action.help).split()) > 1, action.dest
        assert all(f"{option}`" in section or f"{option} " in section for option in action.option_strings)


def test_the_page_of_clew_files_names_every_array():
    assert [
        name for name in (*ARRAY_TYPES, *OPTIONAL_NODE_ARRAYS) if f"| `{name}` |" not in page("clew-file.md")
    ] == []


def test_the_page_of_index_files_names_every_table_and_column():
    import sqlite3

    connection = sqlite3.connect(":memory:")
    for step in MIGRATIONS:
        connection.executescript(step)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    names = {
        name
        for table in tables
        if not table.startswith("label_search_") and not table.startswith("text_search_")
        for name in (table, *(row[1] for row in connection.execute(f"PRAGMA table_info({table})")))
    }
    assert [name for name in sorted(names) if f"`{name}`" not in page("index-file.md")] == []
