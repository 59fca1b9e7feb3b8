"""An index with made-up features: what it answers, whose label counts, what it refuses."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from clew.errors import ClewError
from clew.feature import Feature
from clew.files import put_in_place
from clew.index.creation import new_index
from clew.index.storage.blobs import (
    pack_activations,
    pack_histogram,
    pack_sample,
    pack_scored,
    pack_tokens,
    steps_of,
    unpack_activations,
    unpack_histogram,
    unpack_sample,
)
from clew.index.storage.histogram import N_BINS, bin_of
from clew.index.storage.index import Index, open_index
from clew.index.storage.labels import Label
from clew.index.storage.locations import default_location, find_index
from clew.index.storage.metadata import IndexMetadata, write_metadata
from clew.index.storage.schema import MIGRATIONS, connect
from clew.index.storage.search import build_text_search
from clew.sqlite import transaction

ABOUT = IndexMetadata(
    model="tiny",
    dictionary="neurons",
    widths=(3, 2),
    tokenizer="0" * 12,
    window=8,
    sink=0,
    two_sided=True,
    wanted=0,
    positions=4,
)
ACTIVATIONS = np.array([0.5, -1.0, 4.0, 0.0], dtype=np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two layers of three and two features; only L1/0 was ever active, most on "cat"."""
    made = tmp_path / "made.sqlite3"
    connection = connect(made, create=True)
    texts = {1: " the", 2: " black", 3: " cat", 4: " sat", 5: " dog", 6: " owl"}
    with transaction(connection):
        write_metadata(connection, ABOUT)
        connection.executemany("INSERT INTO tokens VALUES (?, ?)", texts.items())
        connection.execute("INSERT INTO windows VALUES (7, ?)", (pack_tokens(np.array([0, 1, 2, 3, 4])),))
        counts = np.bincount(bin_of(ACTIVATIONS), minlength=N_BINS)
        outputs = pack_scored(np.array([5, 4]), np.array([2.5, 1.0], dtype=np.float32))
        lowest = pack_scored(np.array([6]), np.array([-1.0], dtype=np.float32))
        drawn = pack_sample(np.array([3, 3, 3, 4]), np.zeros(4))
        connection.execute(
            "INSERT INTO features VALUES (3, 1, 0, 0.75, 0.875, 0, -1.0, 4.0, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (pack_histogram(counts), outputs, outputs, drawn, outputs, drawn, lowest),
        )
        blob = pack_activations(*steps_of(ACTIVATIONS))
        connection.execute("INSERT INTO examples VALUES (3, 0, 0, 7, 3, 1, 4.0, 0, ?)", (blob,))
        build_text_search(connection)
    connection.close()
    return made


def test_a_feature_with_its_examples(path: Path):
    with open_index(path) as index:
        record = index.feature(1, 0)
    assert record is not None
    assert repr(record) == "FeatureRecord(L1/0: active at 75.00% of 4 positions, 1 examples)"
    (example,) = record.group(0)
    assert example.tokens == (" the", " black", " cat", " sat")
    assert example.activations == pytest.approx(ACTIVATIONS.tolist(), abs=4 / 254)
    assert (example.tokens[example.peak_at], example.peak, example.position) == (" cat", 4.0, 3)
    assert sum(record.histogram.counts) == 4
    assert len(record.histogram.edges) == len(record.histogram.counts) + 1
    assert (record.histogram.edges[0], record.histogram.edges[-1]) == (-1.0, 4.0)
    assert [(token.text, token.value) for token in record.top_outputs] == [(" dog", 2.5), (" sat", 1.0)]
    assert [(token.text, token.value) for token in record.frequent_tokens] == [(" cat", 0.75), (" sat", 0.25)]


@pytest.mark.parametrize("named", [Feature(1, 0), (1, 0), "L1/0"])
def test_a_feature_may_be_named_in_one_argument(path: Path, named):
    with open_index(path) as index:
        assert named in index
        record = index.feature(named)
        assert record is not None
        assert record.feature == Feature(1, 0)
        with pytest.raises(ClewError, match=r"Did you mean L1/0\?"):
            index.feature("1/0")


def test_feature_json_has_the_published_fields(path: Path):
    with open_index(path, writable=True) as index:
        index.set_label(1, 0, "cats", author="Ada")
        record = index.feature(1, 0)
    assert record is not None
    told = record.as_json()
    (group,) = told["examples_quantiles"]
    (example,) = group["examples"]
    assert group["quantile_name"] == "strongest"
    assert example["tokens"][example["train_token_ind"]] == " cat"
    assert example["is_repeated_datapoint"] is False
    assert (told["index"], told["act_min"], told["act_max"]) == (0, -1.0, 4.0)
    assert (told["activation_frequency"], told["never_seen"]) == (0.75, False)
    assert (told["label"], told["label_source"], told["top_logits"]) == ("cats", "person", [" dog", " sat"])


def test_a_feature_never_seen_says_so_and_one_that_is_not_there_is_none(path: Path):
    with open_index(path) as index:
        record = index.feature(0, 2)
        assert record is not None
        assert record.never_seen
        assert repr(record) == "FeatureRecord(L0/2: never active in 4 positions)"
        assert record.as_json()["never_seen"]
        assert index.feature(0, 3) is None
        assert index.feature(2, 0) is None
        assert index.feature(-1, 0) is None


def test_a_persons_label_goes_before_a_models_whenever_it_was_given(path: Path):
    with open_index(path, writable=True) as index:
        index.set_label(0, 1, "from tokens", "tokens")
        index.set_label(0, 1, "by hand", author="Ada")
        now = index.set_label(0, 1, "by a model", "model", author="some-model", confidence=0.9)
        assert now is not None
        assert (now.text, now.source, now.author) == ("by hand", "person", "Ada")
        assert str(now) == "by hand (person Ada)"
        assert index.labels([(0, 1), (0, 2), (9, 9)]) == {Feature(0, 1): now}
        below = index.set_label(0, 1, "  ")
        assert below is not None
        assert str(below) == "by a model (model some-model, 90% sure)"
        history = [label.text for label in index.label_history(0, 1)]
        assert history == ["", "by a model", "by hand", "from tokens"]


def test_search_finds_labels_first_then_tokens_and_texts(path: Path):
    with open_index(path, writable=True) as index:
        assert [tuple(hit) for hit in index.search("black CAT")] == [(Feature(1, 0), "the black cat sat")]
        assert [hit.snippet for hit in index.search("do")] == ["dog, sat"]
        assert [hit.snippet for hit in index.search("owl")] == ["dog, sat, owl"], "where it is lowest"
        index.set_label(0, 1, "animals like a dog")
        assert [hit.snippet for hit in index.search("dog")] == ["animals like a dog", "dog, sat"]
        index.set_label(0, 1, "")
        assert [hit.snippet for hit in index.search("dog", limit=5)] == ["dog, sat"]
        assert index.search('" OR *') == []
        assert index.search("zebra") == []


def refusal(path: Path) -> str:
    with pytest.raises(ClewError) as error:
        open_index(path)
    return str(error.value)


def test_what_is_no_index_is_refused(tmp_path: Path, path: Path):
    missing, text, empty, other = (tmp_path / name for name in ("missing", "text", "empty", "other"))
    assert (
        refusal(missing)
        == f"There is no index {missing}; make one with clew index --data TEXTS --out {missing}."
    )
    text.write_text("no database " * 100)
    assert refusal(text) == (
        f"{text} is a file of another kind, not an index, which is an SQLite database; name another file."
    )
    empty.touch()
    assert refusal(empty) == f"{empty} is empty, not an index; remove it, or name another file."
    sqlite3.connect(other).executescript("CREATE TABLE mine (a)").connection.close()
    assert refusal(other) == f"{other} is an SQLite file, but no index that clew made."
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DELETE FROM about WHERE key = 'widths'")
    assert refusal(path).startswith(f"{path} is not a whole index: its metadata cannot be read (")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    assert refusal(path) == (
        f"{path} was written by a newer clew (version 2; this one reads up to 1): pip install --upgrade clew."
    )
    connection.close()


def label_refusal(index: Index, *arguments: object, **more: object) -> str:
    with pytest.raises(ClewError) as error:
        index.set_label(*arguments, **more)  # type: ignore[arg-type]
    return str(error.value)


def test_labels_that_cannot_be_are_refused(path: Path):
    with open_index(path) as index:
        assert "is open to read only; open it with writable=True" in label_refusal(index, 0, 1, "a")
    with open_index(path, writable=True) as index:
        assert label_refusal(index, 5, 1, "a") == f"{path} has no feature L5/1."
        assert label_refusal(index, 0, 1, "a", "god") == (
            "A label's source is person, model or tokens, not 'god'."
        )
        assert label_refusal(index, 0, 1, "a" * 501) == ("A label has at most 500 characters, not 501.")
        assert label_refusal(index, 0, 1, "a", confidence=2.0) == (
            "A label's confidence is from 0 to 1, not 2.0."
        )
        assert index.label(0, 1) is None


def test_the_default_place_is_made_of_both_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path):
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path))
    assert default_location("smollm2", "neurons") == tmp_path / "smollm2--neurons.sqlite3"
    unsafe = default_location("org/model", "a/b c").name
    assert unsafe.startswith("org-model-")
    assert unsafe != default_location("org-model", "a/b c").name
    assert find_index("tiny", "neurons") is None
    path.rename(default_location("tiny", "neurons"))
    assert find_index("tiny", "neurons") == tmp_path / "tiny--neurons.sqlite3"


def test_blobs_come_back_as_they_were():
    counts = np.zeros(N_BINS, dtype=np.int64)
    counts[[0, 45, 90]] = 1, 2**40, 3
    assert np.array_equal(unpack_histogram(pack_histogram(counts)), counts)
    ids, keys = unpack_sample(pack_sample(np.array([3, 9]), np.array([-0.1, 5e-300])))
    assert (ids.tolist(), keys.tolist()) == ([3, 9], [-0.1, 5e-300])
    nothing = unpack_activations(pack_activations(*steps_of(np.zeros(3, dtype=np.float32))))
    assert nothing.tolist() == [0, 0, 0]


def test_an_index_says_what_it_is(path: Path):
    with open_index(path) as index:
        assert repr(index) == "Index(tiny · neurons, 5 features, 4 positions, unfinished)"
    assert Label("a", "tokens", "", None, "").confidence is None


def test_many_labels_at_once_are_all_kept_or_none(path: Path):
    with open_index(path, writable=True) as index:
        index.set_label(0, 1, "a person's")
        now = index.set_labels({(1, 0): "cats", (0, 1): "by rule", (0, 2): ""}, "tokens", author="rules")
        assert {str(each): label.text for each, label in now.items()} == {
            "L1/0": "cats",
            "L0/1": "a person's",
        }
        assert [label.text for label in index.label_history(0, 1)] == ["by rule", "a person's"]
        assert [hit.feature for hit in index.search("cats")] == [Feature(1, 0)]
        assert index.search("rule") == [], "a person's label counts"
        for texts, problem in (
            ({(1, 0): "dogs", (0, 9): "b"}, "has no feature L0/9"),
            ({(1, 0): "dogs", (0, 1): "a" * 501}, "at most 500"),
        ):
            with pytest.raises(ClewError, match=problem):
                index.set_labels(texts, "tokens")
        assert index.label(1, 0) == now[Feature(1, 0)]
    with open_index(path) as index, pytest.raises(ClewError, match="open to read only"):
        index.set_labels({(1, 0): "dogs"})


def test_damage_is_told_as_such_whatever_is_asked(path: Path):
    with open_index(path, writable=True) as index:
        index._connection.execute("UPDATE examples SET activations = x'00'")
        with pytest.raises(ClewError, match="cannot be read or is damaged"):
            index.feature(1, 0)
        index._connection.execute("DROP TABLE labels")
        for ask in (lambda: index.labels([(1, 0)]), lambda: index.feature(1, 0)):
            with pytest.raises(ClewError, match="no such table"):
                ask()


def test_no_label_is_lost_where_an_index_is_replaced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = path.with_name("new.sqlite3")
    shutil.copyfile(path, new)
    path.chmod(0o600)
    monkeypatch.setattr("clew.sqlite.SECONDS_TO_WAIT", 0.05)
    with open_index(path, writable=True) as index:
        index.set_label(1, 0, "early")

        def another_labels_meanwhile(*places: Path) -> None:
            with pytest.raises(ClewError, match="another program is using it"):
                index.set_label(1, 1, "in between")
            put_in_place(*places)

        monkeypatch.setattr(new_index, "put_in_place", another_labels_meanwhile)
        assert new_index.replace_index(path, new) == 1
        with pytest.raises(ClewError, match="was replaced by another index; open it again"):
            index.set_label(1, 1, "late")
    with open_index(path) as index:
        assert [str(label) for label in index.labels(["L1/0", "L1/1"]).values()] == ["early (person)"]
    assert path.stat().st_mode & 0o777 == 0o600
