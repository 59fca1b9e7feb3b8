"""Indexes that come with clew: found where there is no other, and never written to."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from clew.index.storage import locations
from clew.index.storage.index import open_index
from clew.index.storage.locations import default_location, find_index
from tests.index.example_index import make_index


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of tiny's neurons, as if it had come with clew."""
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path / "indexes"))
    monkeypatch.setattr(locations, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache" / name)
    packed = tmp_path / "shipped" / "tiny--neurons.sqlite3.xz"
    packed.parent.mkdir()
    packed.write_bytes(lzma.compress(make_index(tmp_path).read_bytes()))
    return packed


def test_it_is_unpacked_once(shipped: Path, tmp_path: Path):
    found = find_index("tiny", "neurons")
    assert found is not None
    assert found.is_relative_to(tmp_path / "cache")
    written = found.stat().st_mtime_ns
    assert find_index("tiny", "neurons") == found
    assert found.stat().st_mtime_ns == written
    with open_index(found) as index:
        assert index.feature(2, 0) is not None
    assert find_index("tiny", "other") is None


def test_one_of_your_own_goes_before(shipped: Path, tmp_path: Path):
    place = default_location("tiny", "neurons")
    place.parent.mkdir()
    make_index(tmp_path / "own").rename(place)
    assert find_index("tiny", "neurons") == place


def test_it_is_copied_before_it_is_changed(shipped: Path):
    changed = find_index("tiny", "neurons", to_change=True)
    assert changed is not None
    assert changed == default_location("tiny", "neurons")
    with open_index(changed, writable=True) as index:
        index.set_label(2, 0, "cats")
    assert find_index("tiny", "neurons") == changed


def test_another_one_that_comes_with_a_newer_clew_is_unpacked_too(shipped: Path, tmp_path: Path):
    old = find_index("tiny", "neurons")
    other = make_index(tmp_path / "other")
    with open_index(other, writable=True) as index:
        index.set_label(2, 0, "new cats")
    shipped.write_bytes(lzma.compress(other.read_bytes()))
    new = find_index("tiny", "neurons")
    assert new is not None
    assert new != old
    with open_index(new) as index:
        label = index.label(2, 0)
    assert label is not None
    assert label.text == "new cats"


def test_a_cache_that_cannot_be_written_means_no_index(shipped: Path, tmp_path: Path):
    (tmp_path / "cache").write_text("no folder")
    assert find_index("tiny", "neurons") is None
