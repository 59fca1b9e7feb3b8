"""The small indexes that come with clew: complete, small, and of the dictionaries that clew takes."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest

import clew
from clew.feature import Feature
from clew.gallery.exhibits import FILES
from clew.index.labels.graph_features import sides_by_influence, with_index_labels
from clew.index.storage.index import Index, open_index
from clew.index.storage.locations import SHIPPED, default_location, find_index
from tools.demo_index.small import AUTHOR, LABELS, read_labels

DICTIONARIES = ("neurons", "smollm2-plt")
MOST_BYTES = 10_000_000


@pytest.fixture(scope="module", params=DICTIONARIES)
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    packed = SHIPPED / f"{default_location('smollm2', request.param).name}.xz"
    file = tmp_path_factory.mktemp("shipped") / f"{request.param}.sqlite3"
    file.write_bytes(lzma.decompress(packed.read_bytes()))
    with open_index(file) as opened:
        yield opened


def test_together_they_are_small():
    files = sorted(SHIPPED.iterdir())
    assert [file.name for file in files] == [f"smollm2--{name}.sqlite3.xz" for name in DICTIONARIES]
    assert sum(file.stat().st_size for file in files) <= MOST_BYTES


def test_it_says_what_it_was_made_of(index: Index):
    about = index.metadata
    assert (about.model, about.dictionary) == ("smollm2", index.path.stem)
    assert (about.complete, about.partial) == (True, True)
    assert about.sink_text == "<filename>"
    assert about.positions >= 25_000
    assert all(Path(name).name == name for name in about.corpus)


def test_frequent_features_have_texts_and_output_tokens(index: Index):
    frequent = index.most_frequent(200)
    assert len(frequent) == 200
    for feature in frequent:
        record = index.feature(feature)
        assert record is not None
        assert record.groups
        assert len(record.groups[0].examples) >= 3
        assert len(record.top_outputs) == 10


def test_labels_of_the_authors_are_marked_as_theirs():
    labels = read_labels(LABELS)
    assert len(labels) >= 60
    found = find_index("smollm2", "smollm2-plt")
    assert found is not None
    with open_index(found) as index:
        written = index.labels(labels)
        assert {feature: label.text for feature, label in written.items()} == labels
        assert {(label.source, label.author) for label in written.values()} == {("person", AUTHOR)}
        assert all(index.feature(feature).groups for feature in labels)  # type: ignore[union-attr]
        assert index.count_labelled() >= 2 * len(labels)
        hits = index.search("capital")
    assert {hit.feature for hit in hits} & set(labels)


@pytest.mark.parametrize("file", sorted(FILES.glob("*.clew")), ids=lambda file: file.stem)
def test_it_knows_the_influential_features_of_the_gallery(file: Path):
    graph = clew.open(file)
    found = find_index("smollm2", "smollm2-plt")
    assert found is not None
    with open_index(found) as index:
        influential = list(sides_by_influence(graph))[:300]
        assert [str(feature) for feature in influential if index.feature(feature) is None] == []
        assert len(index.labels(influential[:50])) >= 30


@pytest.mark.real
def test_a_graph_of_the_default_dictionary_shows_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path))
    graph = clew.load("smollm2").trace("The capital of Spain is", max_nodes=512)
    labelled = with_index_labels(graph).index_labels
    by_hand = {Feature.parse(name) for name, label in labelled.items() if not label.by_rule}
    assert len(by_hand) >= 10
    assert by_hand <= set(read_labels(LABELS))
