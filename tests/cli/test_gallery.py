"""`clew gallery`: its list, one of its graphs in words, a copy, and the page."""

from __future__ import annotations

import pytest

from clew.gallery.exhibits import NAMES, exhibit_named
from clew.graph.reader import open_graph


def test_it_lists_all_graphs(run):
    outcome = run("gallery")
    assert outcome.code == 0
    for name in NAMES:
        assert f"{name}  " in outcome.out
        assert exhibit_named(name).summary in outcome.out


def test_it_tells_a_graph_in_words(run):
    exhibit = exhibit_named("capital")
    outcome = run("gallery", "capital")
    words = " ".join(outcome.out.split())
    assert exhibit.story.split(".")[0] in words
    assert "say a capital" in words
    for number, claim in enumerate(exhibit.claims, start=1):
        assert f"{number}. {' '.join(claim.split()[:4])}" in words


def test_it_copies_a_graph(run, tmp_path):
    outcome = run("gallery", "capital", "--out", tmp_path / "copy.clew")
    assert outcome.code == 0
    assert "Saved" in outcome.out
    copy, original = (open_graph(p) for p in (tmp_path / "copy.clew", exhibit_named("capital").graph_file))
    assert copy.annotations == original.annotations
    assert copy.info.description == original.info.description


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["capitals"], "The gallery has no graph 'capitals'"),
        (["--open"], "--open needs a graph of the gallery"),
        (["capital", "--library", "x"], "--library needs --open"),
    ],
)
def test_slips_are_told(run, arguments, problem):
    outcome = run("gallery", *arguments)
    assert outcome.code == 2
    assert problem in outcome.err
