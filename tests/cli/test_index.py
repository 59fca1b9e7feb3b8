"""`clew index` with a tiny model: what it writes, prints and refuses."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import signal
from pathlib import Path

import pytest

from clew.graph.reader import open_graph
from clew.index.labels.graph_features import features_of
from clew.index.storage import locations
from clew.index.storage.index import open_index
from tests.index.conftest import words
from tests.index.example_index import make_index

from .conftest import Outcome, Run
from .test_errors import refused


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(json.dumps({"text": words(60, seed)}) for seed in range(20)))
    return path


@pytest.fixture
def index(run: Run, model_folder: Path, texts: Path):
    """`index("--out", path)` over the texts."""

    def command(*arguments: object) -> Outcome:
        return run("index", "--data", texts, "--model", model_folder, *arguments)

    return command


def test_made_shown_and_searched(run: Run, index: Run, tmp_path: Path):
    out = tmp_path / "made.sqlite3"
    outcome = index("--out", out, "--tokens", 900)
    assert outcome.code == 0
    assert outcome.out.startswith(f"Saved  {out} (60 features of 3 layers on 900 tokens of ")
    with open_index(out, writable=True) as made:
        made.set_label(1, 4, "words of all kinds", author="Ada")
        assert made.search("kinds")
    shown = run("index", "show", out, "L1/4").out
    assert shown.startswith("L1/4  words of all kinds  (person Ada)\ntiny · neurons · 900 tokens\n")
    for title in (
        "Activations  (not zero at 100.0% of tokens; both scales logarithmic)",
        "Writes towards",
        "Strongest",
        "Most negative",
    ):
        assert f"\n{title}" in shown
    assert "«w" in shown
    assert "█" in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if "«" in line)


def test_shards_are_merged(run: Run, index: Run, tmp_path: Path):
    parts = [tmp_path / f"{number}.sqlite3" for number in (1, 2)]
    for number, part in enumerate(parts, start=1):
        assert index("--out", part, "--shard", f"{number}/2").code == 0
    outcome = run("index", "merge", tmp_path / "whole.sqlite3", *parts)
    assert outcome.code == 0
    assert outcome.out.startswith(f"Saved  {tmp_path / 'whole.sqlite3'} (60 features on ")


def test_the_default_place(index: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: Path):
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path / "indexes"))
    assert index("--tokens", 100).code == 0
    (made,) = (tmp_path / "indexes").iterdir()
    assert made.name.endswith("--neurons.sqlite3")
    assert "exists already. Add --resume" in refused(index("--tokens", 100))


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(
    index: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from clew.index.creation import indexing

    real = indexing.read_activations

    def pressed(*arguments: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(indexing, "read_activations", pressed)
    out = tmp_path / "stopped.sqlite3"
    outcome = index("--out", out)
    assert outcome.code == 130
    assert "Stopping after this batch; press Ctrl-C again to stop at once.\n" in outcome.err
    with open_index(out) as stopped:
        positions = stopped.metadata.positions
    assert positions > 0
    assert outcome.err.endswith(
        f"clew: stopped; {out} holds {positions:,} tokens so far; the same command with --resume continues.\n"
    )
    monkeypatch.setattr(indexing, "read_activations", real)
    assert index("--out", out, "--resume").code == 0


def test_bad_data_is_skipped_with_a_warning(run: Run, model_folder: Path, tmp_path: Path, texts: Path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "good.txt").write_text(words(100, 1))
    (folder / "empty.txt").touch()
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 10)
    with gzip.open(folder / "more.jsonl.gz", "wt") as file:
        file.write(texts.read_text() + '\nnot json\n{"other": 1}\n')
    (folder / "latin.txt").write_bytes("café\n".encode("latin-1") * 3)
    (folder / "utf-16.txt").write_text("w3 w4 w5", encoding="utf-16")
    outcome = run("index", "--data", folder, "--model", model_folder, "--out", tmp_path / "a.sqlite3")
    assert outcome.code == 0
    assert " tokens of 21 texts, " in outcome.out
    assert (
        f"Warning: skipped 3 times: line that is not UTF-8 (first in {folder / 'latin.txt'})\n" in outcome.err
    )
    for line, name in (
        ("empty file", "empty.txt"),
        ("binary file", "binary.txt"),
        ("file that is not UTF-8", "utf-16.txt"),
        ("line that is not JSON", "more.jsonl.gz"),
        ('entry without a field "text"', "more.jsonl.gz"),
    ):
        assert f"Warning: skipped once: {line} (in {folder / name})\n" in outcome.err


def test_refusals(run: Run, index: Run, tmp_path: Path, texts: Path):
    missing = tmp_path / "missing"
    assert refused(run("index", "--data", missing)) == (
        f"There is no file or folder {missing}; check the name."
    )
    assert refused(run("index", texts)).startswith("index has no action '")
    assert refused(index("--out", tmp_path)) == f"{tmp_path} is a folder; name a file in it."
    assert refused(run("index", "--tokens", 5)).startswith("index make needs --data")
    assert refused(index("--shard", "3/2")) == (
        "--shard: expected a part such as 1/2 or 2/2, not '3/2'; see clew index make --help"
    )
    assert refused(run("index", "show", missing, "L1/2")).startswith(f"There is no index {missing};")
    assert refused(run("index", "show", missing, "12")) == (
        "FEATURE: expected a feature such as L12/4031, not '12'; see clew index show --help"
    )
    index("--out", tmp_path / "made.sqlite3", "--tokens", 50)
    assert refused(run("index", "show", tmp_path / "made.sqlite3", "L1/20")) == (
        f"{tmp_path / 'made.sqlite3'} has no feature L1/20; it has features 0 to 19 in layer 1."
    )
    assert refused(run("index", "show", tmp_path / "made.sqlite3", "L3/0")).endswith("it has layers 0 to 2.")


def test_a_new_one_in_place_of_an_old_one_keeps_labels(index: Run, tmp_path: Path):
    out = tmp_path / "made.sqlite3"
    index("--out", out, "--tokens", 300)
    with open_index(out, writable=True) as made:
        made.set_label(1, 4, "words of all kinds", author="Ada")
        made.set_label(1, 5, "by rule", "tokens")
        made.set_label(1, 6, "for a while", "model")
        made.set_label(1, 6, "", "model")
    outcome = index("--out", out, "--tokens", 600, "--replace")
    assert outcome.code == 0
    assert f"Saved  {out} (60 features of 3 layers on 600 tokens" in outcome.out
    assert "3 labels were copied from the old index" in outcome.out
    with open_index(out) as made:
        assert made.metadata.positions == 600
        label = made.label(1, 4)
        assert label is not None
        assert (label.text, label.author) == ("words of all kinds", "Ada")
        assert made.label(1, 5) is None
        assert made.label(1, 6) is None
        assert [str(hit.feature) for hit in made.search("kinds")] == ["L1/4"]
    assert sorted(path.name for path in tmp_path.glob("*.sqlite3")) == ["made.sqlite3"]


def test_an_old_one_of_other_features_is_not_replaced(index: Run, tmp_path: Path):
    out = tmp_path / "animals.sqlite3"
    make_index(tmp_path, model="another").rename(out)
    before = out.read_bytes()
    assert refused(index("--out", out, "--tokens", 300, "--replace")) == (
        f"{out} is an index of another with neurons, so the new index cannot take its labels; name another "
        "file with --out."
    )
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.glob("animals*")) == ["animals.sqlite3"]


def test_labels_go_over_by_layer_and_feature(index: Run, tmp_path: Path):
    out = tmp_path / "animals.sqlite3"
    make_index(tmp_path).rename(out)
    with open_index(out, writable=True) as animals:
        animals.set_label(2, 3, "dogs")
    assert index("--out", out, "--tokens", 300, "--replace").code == 0
    with open_index(out) as new:  # its layers are wider, so that features have other numbers
        label = new.label(2, 3)
        assert [str(hit.feature) for hit in new.search("dogs")] == ["L2/3"]
    assert label is not None
    assert label.text == "dogs"


def test_what_a_stopped_replacement_left_is_told(index: Run, tmp_path: Path):
    out, left = tmp_path / "made.sqlite3", tmp_path / "made.new.sqlite3"
    index("--out", out, "--tokens", 300)
    index("--out", left, "--tokens", 600)
    assert refused(index("--out", out, "--tokens", 600, "--replace")) == (
        f"{left} is left from a run that was stopped; add --resume, or remove it."
    )
    assert index("--out", out, "--tokens", 600, "--replace", "--resume").code == 0
    with open_index(out) as made:
        assert made.metadata.positions == 600


def test_a_small_one_of_a_graph(run: Run, index: Run, tmp_path: Path, model_folder: Path):
    whole, small, graph = (tmp_path / name for name in ("whole.sqlite3", "small.sqlite3", "graph.clew"))
    index("--out", whole, "--tokens", 300)
    assert run("trace", "w3 w4 w5", "--model", model_folder, "--out", graph).code == 0
    outcome = run("index", "cut", whole, "--graph", graph, "--out", small, "--examples", 2)
    assert outcome.code == 0
    assert outcome.out.startswith(f"Saved  {small} (")
    assert small.stat().st_size < whole.stat().st_size
    feature = str(features_of(open_graph(graph))[0])
    assert feature in run("index", "show", small, feature).out
    refusal = refused(index("--out", small, "--resume"))
    assert "only some of the features" in refusal


def test_the_copy_of_a_small_one_is_replaced_without_a_word(
    index: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The first label in the index that comes with clew leaves a copy behind, which nobody asked for."""
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path / "indexes"))
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(locations, "SHIPPED", tmp_path / "shipped")
    (tmp_path / "shipped").mkdir()
    index("--out", tmp_path / "small.sqlite3", "--tokens", 200)
    packed = lzma.compress((tmp_path / "small.sqlite3").read_bytes())
    (tmp_path / "shipped" / "tiny--neurons.sqlite3.xz").write_bytes(packed)
    copy = locations.find_index("tiny", "neurons", to_change=True)
    assert copy is not None
    with open_index(copy, writable=True) as opened:
        assert opened.metadata.bundled
        opened.set_label(1, 4, "mine")
    outcome = index("--tokens", 400)
    assert outcome.code == 0
    assert "1 label was copied" in outcome.out
    with open_index(copy) as opened:
        label = opened.label(1, 4)
        assert (opened.metadata.positions, opened.metadata.bundled) == (400, False)
    assert label is not None
    assert label.text == "mine"
    assert "exists already" in refused(index("--tokens", 500))


def test_what_is_complete_is_not_read_again(index: Run, tmp_path: Path):
    out = tmp_path / "made.sqlite3"
    index("--out", out, "--tokens", 300)
    again = index("--out", out, "--tokens", 300, "--resume")
    assert again.code == 0
    assert again.out == (f"{out} is already complete, so nothing was read; pass --replace to make it anew.\n")


def test_an_empty_part_says_so(index: Run, tmp_path: Path):
    parts = [index("--out", tmp_path / f"{n}.sqlite3", "--tokens", 40, "--shard", f"{n}/2") for n in (1, 2)]
    assert [outcome.code for outcome in parts] == [0, 0]
    assert "This part has no text" in parts[1].out
    assert "never active" not in parts[1].out


def test_ctrl_c_while_the_model_loads_ends_at_once(index: Run, tmp_path: Path, monkeypatch):
    def loading(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("loading went on")

    monkeypatch.setattr("clew.cli.commands.index_make.load_model", loading)
    outcome = index("--out", tmp_path / "never.sqlite3")
    assert (outcome.code, outcome.err) == (130, "clew: stopped; nothing was written.\n")
