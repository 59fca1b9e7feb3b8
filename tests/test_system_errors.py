"""What the machine is at fault for becomes a sentence at every door; what clew is at fault for does not."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

import clew
from clew.cli.main import main
from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.index.storage.index import open_index
from clew.system_errors import DATABASE_REASONS, OUT_OF_MEMORY, database_sentence, system_sentence
from tests.graph.random_graphs import random_graph


def sqlite_error(name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorname = name  # type: ignore[misc]
    return error


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    return random_graph().save(tmp_path / "random.clew")


@pytest.fixture
def other_database(tmp_path: Path) -> Path:
    path = tmp_path / "other.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()
    return path


@pytest.mark.parametrize("name", DATABASE_REASONS)
def test_every_state_of_a_database_has_a_reason_and_advice(name: str):
    for full in (name, f"{name}_ROLLBACK"):
        sentence = database_sentence("x.sqlite3", sqlite_error(full))
        assert sentence.startswith("x.sqlite3 cannot be used: ")
        assert "SQLite says" not in sentence
        assert "; " in sentence
        assert system_sentence(sqlite_error(full)) == sentence.replace("x.sqlite3", "A database")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.clew"), "a.clew cannot be used: No space left"),
        (
            PermissionError(errno.EACCES, "Permission denied", b"caf\xe9"),
            "caf\\xe9 cannot be used: Permission",
        ),
        (FileNotFoundError(errno.ENOENT, "No such file", "a"), "a cannot be used: No such file; it may have"),
        (OSError(errno.ENOSPC, "No space left on device"), "A file cannot be used: No space left on device"),
        (MemoryError(), OUT_OF_MEMORY),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), OUT_OF_MEMORY),
    ],
)
def test_faults_of_the_machine(
    error: Exception, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    assert str(system_sentence(error)).startswith(sentence)

    def fail(*given: object) -> None:
        raise error

    monkeypatch.setattr("clew.cli.commands.models.run", fail)
    assert main(["models"]) == 2
    assert capsys.readouterr().err.startswith(f"clew: {sentence}")


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.ProgrammingError("You did not supply a value for binding"),
        sqlite_error("SQLITE_ERROR"),
        OSError("without a number"),
        ValueError("bug"),
        KeyError("bug"),
    ],
)
def test_faults_of_clew_stay_unexpected(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def fail(*given: object) -> None:
        raise error

    monkeypatch.setattr("clew.cli.commands.models.run", fail)
    assert main(["models"]) == 1
    assert capsys.readouterr().err.startswith(f"clew: unexpected {type(error).__name__}")


def refusals(path: Path) -> tuple[str, str]:
    """The sentences of Python and of the command line for a file that is no index."""
    with pytest.raises(ClewError) as refused:
        open_index(path)
    return str(refused.value), f"clew: {refused.value}\n"


def test_a_graph_is_not_an_index(graph_file: Path, capsys: pytest.CaptureFixture[str]):
    sentence, line = refusals(graph_file)
    assert sentence == (
        f"{graph_file} is a graph, not an index. clew show {graph_file} (clew.open in Python) reads it; an "
        "index is made with clew index --data TEXTS."
    )
    for arguments in (
        ["index", "show", graph_file, "L1/1"],
        ["show", graph_file, "--index", graph_file],
        ["serve", "--index", graph_file, "--no-open"],
        ["index", "cut", graph_file, "--graph", graph_file, "--out", graph_file.with_name("x")],
        ["index", "export", graph_file, "--out", graph_file.with_name("x")],
        ["index", "merge", graph_file.with_name("x"), graph_file],
    ):
        assert main([str(argument) for argument in arguments]) == 2, arguments
        assert capsys.readouterr().err == line, arguments


def test_an_index_is_not_a_graph(other_database: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(
        ClewError, match=r"is an SQLite database, not a graph; if it is an index, clew index"
    ) as e:
        clew.open(other_database)
    for arguments in (
        ["show", other_database],
        ["annotate", other_database, "--pin", "a"],
        ["validate", other_database],
        ["serve", other_database, "--no-open", "--library", other_database.with_name("library")],
    ):
        assert main([str(argument) for argument in arguments]) == 2, arguments
        assert capsys.readouterr().err == f"clew: {e.value}\n", arguments


def test_other_files_are_not_indexes(tmp_path: Path, other_database: Path):
    folder, text, empty, cut = (tmp_path / name for name in ("folder", "text", "empty", "cut"))
    folder.mkdir()
    text.write_text("this is a text, and no database at all")
    empty.touch()
    cut.write_bytes(other_database.read_bytes()[:1000])
    assert refusals(folder)[0] == f"{folder} is a folder, not an index; name a file in it."
    assert "is a file of another kind, not an index" in refusals(text)[0]
    assert "is empty, not an index" in refusals(empty)[0]
    assert refusals(other_database)[0] == f"{other_database} is an SQLite file, but no index that clew made."
    assert refusals(cut)[0].startswith(f"The index {cut} cannot be used: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_read(graph_file: Path):
    graph_file.chmod(0)
    with pytest.raises(ClewError, match="Permission denied"):
        clew.open(graph_file)
    with pytest.raises(ClewError, match="Permission denied"):
        open_index(graph_file)


NOT_A_FILE = r"3 is not the name of a file; pass a text or a Path\."


def test_what_is_no_file_name(graph_file: Path):
    for read in (clew.open, clew.open_index, clew.open(graph_file).save):
        with pytest.raises(ClewError, match=NOT_A_FILE):
            read(3)  # type: ignore[arg-type]
    with pytest.raises(ClewError, match=r"3 is not a model; pass a short name"):
        clew.load(3)  # type: ignore[arg-type]


def test_names_that_are_not_utf_8(graph_file: Path, capsys: pytest.CaptureFixture[str]):
    path = graph_file.with_name(os.fsdecode(b"caf\xe9.clew"))
    try:
        path.write_bytes(graph_file.read_bytes())
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    assert clew.open(path).save(path) == path
    assert main(["show", str(path), "--top", "0"]) == 0
    assert main(["index", "show", str(path), "L1/1"]) == 2


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda graph: graph.compare("other.clew"),
            "A graph is what model.trace or clew.open gives, not 'other",
        ),
        (lambda graph: graph.paths(target="x"), "Node 'x' does not exist: the graph has nodes 0 to "),
        (lambda graph: graph.paths(target=10**6), "Node 1000000 does not exist"),
        (lambda graph: graph.paths(sources=["x"]), "Node 'x' does not exist"),
        (lambda graph: graph.paths(sources="x"), "Sources are several nodes such as [0, 1], not 'x'"),
        (lambda graph: graph.paths(sources=5), "Sources are several nodes such as [0, 1], not 5"),
        (lambda graph: graph.node_name(999_999), "Node 999999 does not exist"),
        (lambda graph: graph.node_name("L1/1"), "Node 'L1/1' does not exist"),
        (lambda graph: graph.node_id(-1), "Node -1 does not exist"),
        (lambda graph: graph.label(1.5), "Node 1.5 does not exist"),
        (lambda graph: graph.target(0), "Node 0 is of the kind feature; name one of the kind target"),
        (
            lambda graph: graph.feature_name(graph.n_nodes - 1),
            "is of the kind target; name one of the kind feat",
        ),
    ],
)
def test_what_is_no_node(call, sentence: str):
    graph: Graph = random_graph()
    with pytest.raises(ClewError) as refused:
        call(graph)
    assert sentence in str(refused.value)
