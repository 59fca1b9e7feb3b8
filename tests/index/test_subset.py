"""A part of an index knows of its features what the whole knows."""

from __future__ import annotations

import pytest

from clew.errors import ClewError
from clew.feature import Feature
from clew.index.exchange.exporting import cut_index
from clew.index.storage.index import open_index
from tests.index.example_index import make_index


@pytest.fixture
def whole(tmp_path):
    path = make_index(tmp_path)
    with open_index(path, writable=True) as index:
        index.set_label(2, 0, "cats", "model", author="a model")
        index.set_label(2, 3, "dogs")
    return path


def test_what_is_kept_is_kept_whole(whole, tmp_path):
    assert cut_index(whole, tmp_path / "small.sqlite3", [Feature(2, 0), Feature(2, 1), Feature(2, 99)]) == 2
    with open_index(whole) as all_of_it, open_index(tmp_path / "small.sqlite3") as small:
        for feature in (0, 1):
            assert small.feature(2, feature) == all_of_it.feature(2, feature)
        assert small.feature(2, 2) is None
        assert small.metadata.partial
        assert small.search("cats")[0] == (Feature(2, 0), "cats")
        assert [hit.feature for hit in small.search("black cow")] == [Feature(2, 1)]
        assert small.search("dogs") == []


def test_fewer_examples(whole, tmp_path):
    cut_index(whole, tmp_path / "small.sqlite3", [Feature(2, 0), Feature(2, 3)], examples=2)
    with open_index(whole) as all_of_it, open_index(tmp_path / "small.sqlite3") as small:
        for feature in (0, 3):
            kept, record = small.feature(2, feature), all_of_it.feature(2, feature)
            assert kept is not None
            assert record is not None
            assert kept.groups[0].examples == record.groups[0].examples[:2]


def test_slips_are_told_and_leave_nothing(whole, tmp_path):
    small = tmp_path / "small.sqlite3"
    with pytest.raises(ClewError, match="none of these features"):
        cut_index(whole, small, [Feature(7, 0)])
    with pytest.raises(ClewError, match="no index"):
        cut_index(tmp_path / "none.sqlite3", small, [Feature(2, 0)])
    with pytest.raises(ClewError, match="cannot be written"):
        cut_index(whole, tmp_path / "no folder" / "small.sqlite3", [Feature(2, 0)])
    with pytest.raises(ClewError, match="exists already"):
        cut_index(whole, whole, [Feature(2, 0)])
    assert list(tmp_path.glob("*small*")) == []
