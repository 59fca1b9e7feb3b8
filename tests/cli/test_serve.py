"""`clew serve` and `clew trace --open`, as far as they go before a server runs."""

from __future__ import annotations

import pytest

from clew.server.library import Library
from tests.graph.random_graphs import random_graph


@pytest.fixture
def served(monkeypatch):
    """What would have been served: the library's entries and the kept model."""
    seen = []

    def serve(address, library, kept, indexes):
        seen.append((library.entries(), kept, address))
        address.listening.close()
        library.close()

    monkeypatch.setattr("clew.server.http_server.serve", serve)
    return seen


@pytest.fixture
def opened(monkeypatch):
    links = []
    monkeypatch.setattr("webbrowser.open", links.append)
    return links


def test_it_says_where_it_is_and_opens_a_browser(run, served, opened, tmp_path):
    outcome = run("serve", "--library", tmp_path / "lib")
    link = opened[0]
    assert outcome.code == 0
    assert outcome.out == f"clew is at {link}\n  0 graphs in {tmp_path / 'lib'}\n  Press Ctrl-C to stop.\n"


def test_files_are_put_into_the_library_and_the_last_is_opened(run, served, opened, tmp_path):
    path = random_graph().save(tmp_path / "one.clew")
    outcome = run("serve", path, path, "--library", tmp_path / "lib", "--no-open")
    (entries, *_), *_ = served
    assert len(entries) == 1
    assert f"/#/g/{entries[0].id}\n  1 graph in" in outcome.out
    assert opened == []


def test_a_graph_of_the_gallery_is_copied_and_opened(run, served, opened, tmp_path):
    outcome = run("gallery", "capital", "--open", "--library", tmp_path / "lib")
    (entries, *_), *_ = served
    assert outcome.code == 0
    assert opened[0].endswith(f"/g/{entries[0].id}")


def test_a_file_that_is_none_is_refused_by_its_name(run, served, tmp_path):
    (tmp_path / "text.clew").write_text("no graph")
    outcome = run("serve", tmp_path / "text.clew", "--library", tmp_path / "lib")
    assert outcome.code == 2
    assert f"{tmp_path / 'text.clew'} is neither a .clew file" in outcome.err
    assert served == []
    Library(tmp_path / "lib").close()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--port", "x"], "expected a whole number from 0 to 65,535"),
        (["--port", "70000"], "expected a whole number from 0 to 65,535"),
        (["--memory-budget", "0"], "expected a number above 0"),
        (["--host", "192.0.2.1"], "is not an address of this machine"),
        (["none.clew"], "There is no file none.clew"),
    ],
)
def test_slips_are_told(run, served, tmp_path, arguments, problem):
    outcome = run("serve", "--library", tmp_path / "lib", *arguments)
    assert (outcome.code, served) == (2, [])
    assert problem in outcome.err


def test_a_trace_can_be_opened_on_the_page_with_its_model_kept(trace, served, opened, tmp_path):
    outcome = trace("w3 w4", "--open", "--library", tmp_path / "lib")
    (entries, kept, *_), *_ = served
    assert outcome.code == 0
    assert entries[0].prompt == "w3 w4"
    assert kept.loaded.dictionary == "neurons"
    assert opened[0].endswith(f"/#/g/{entries[0].id}")
    assert "not saved" not in outcome.out


def test_a_library_without_open_is_a_slip(trace, tmp_path):
    outcome = trace("w3 w4", "--library", tmp_path / "lib")
    assert (outcome.code, "--library needs --open" in outcome.err) == (2, True)


def test_a_library_in_use_is_told_before_anything_is_traced(trace, tmp_path):
    library = Library(tmp_path / "lib")
    outcome = trace("w3 w4", "--open", "--library", tmp_path / "lib")
    assert "Another clew uses the library" in outcome.err
    library.close()
