"""Kills, stops, full disks and several workers: the index is always the one that a single pass makes."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clew.dictionary.neurons import NeuronDictionary
from clew.errors import ClewError
from clew.index.creation import indexing
from clew.index.creation.indexing import index_texts
from clew.index.creation.shards import merge_shards
from clew.index.settings import IndexSettings
from clew.index.storage.index import open_index
from clew.index.storage.metadata import IndexMetadata
from tests.tiny import tiny_model

SETTINGS = IndexSettings(window=16)

WORKER = """
import os, signal, sys
from pathlib import Path
from clew.dictionary.neurons import NeuronDictionary
from clew.index.creation import indexing
from clew.index.settings import IndexSettings
from tests.tiny import tiny_model
texts, out, mode = sys.argv[1:]
asked = 0
def stop():
    global asked
    asked += 1
    if mode == "kill" and asked == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return False
shard = (int(mode), 2) if mode.isdigit() else (1, 1)
if mode == "kill":
    indexing.SECONDS_BETWEEN_CHECKPOINTS = indexing.SHARE_OF_CHECKPOINTS = 0
    indexing.SHARE_OF_CHECKPOINTS = float("inf")
model = tiny_model("LlamaForCausalLM")
settings = IndexSettings(window=16, shard=shard)
indexing.index_texts(model, NeuronDictionary(model), [texts], Path(out), settings, should_stop=stop)
"""


def start(texts: Path, out: Path, mode: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", WORKER, texts, out, mode], cwd=Path(__file__).parents[2])


def index(texts: Path, out: Path, settings: IndexSettings = SETTINGS, **more: Callable) -> IndexMetadata:
    model = tiny_model("LlamaForCausalLM")
    return index_texts(model, NeuronDictionary(model), [texts], out, settings, **more)  # type: ignore[arg-type]


def contents(path: Path) -> dict[str, list[tuple]]:
    connection = sqlite3.connect(path)
    (state,) = connection.execute("PRAGMA integrity_check").fetchone()
    assert state == "ok"
    keys = {"features": "id", "examples": "feature, kind, rank", "windows": "id", "tokens": "id"}
    found = {
        table: connection.execute(f"SELECT * FROM {table} ORDER BY {key}").fetchall()
        for table, key in keys.items()
    }
    connection.close()
    return found


def assert_same(path: Path, other: Path) -> None:
    found, expected = contents(path), contents(other)
    for table in found:
        assert found[table] == expected[table], table
    with open_index(path) as one, open_index(other) as two:
        same = {"created": "", "corpus": (), "shard": (1, 1)}
        assert replace(one.metadata, **same) == replace(two.metadata, **same)
        assert one.search("w33", 5) == two.search("w33", 5)


@pytest.fixture(scope="module")
def whole(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One pass without a break."""
    path = tmp_path_factory.mktemp("whole") / "whole.sqlite3"
    index(texts, path)
    return path


def test_killed_and_resumed_counts_nothing_twice(texts: Path, whole: Path, tmp_path: Path):
    path = tmp_path / "killed.sqlite3"
    process = start(texts, path, "kill")
    assert process.wait() == -signal.SIGKILL
    with open_index(path) as unfinished:
        about = unfinished.metadata
        assert not about.complete
        assert about.batches == 5
        record = unfinished.feature(0, 3)
        assert record is not None
        assert sum(record.histogram.counts) == record.positions == about.positions > 0
        assert record.groups[0].examples[0].tokens[0].startswith("w")
    index(texts, path, replace(SETTINGS, resume=True))
    assert_same(path, whole)


def test_two_workers_at_once_give_what_one_gives(texts: Path, whole: Path, tmp_path: Path):
    shards = [tmp_path / f"{number}.sqlite3" for number in (1, 2)]
    workers = [start(texts, path, str(number)) for number, path in enumerate(shards, start=1)]
    assert [worker.wait() for worker in workers] == [0, 0]
    merged = merge_shards(tmp_path / "merged.sqlite3", shards)
    assert merged.complete
    assert_same(tmp_path / "merged.sqlite3", whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.sqlite3", "2.sqlite3", "merged.sqlite3"]


def test_stopped_and_resumed_again_and_again(texts: Path, whole: Path, tmp_path: Path):
    path = tmp_path / "stopped.sqlite3"
    for _ in range(3):
        about = index(texts, path, replace(SETTINGS, resume=True), should_stop=lambda: True)
        assert not about.complete
    index(texts, path, replace(SETTINGS, resume=True))
    assert_same(path, whole)
    assert index(texts, path, replace(SETTINGS, resume=True)).complete  # nothing is left to do
    assert_same(path, whole)


def test_a_full_disk_leaves_a_valid_index(
    texts: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """SQLite itself refuses to let the file grow, as it does where the disk is full."""
    path = tmp_path / "full.sqlite3"
    monkeypatch.setattr(indexing, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(indexing, "SHARE_OF_CHECKPOINTS", float("inf"))
    real = indexing.connect

    def small(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = real(*arguments, **options)  # type: ignore[arg-type]
        connection.execute(f"PRAGMA max_page_count = {whole.stat().st_size // 4096 * 3 // 4}")
        return connection

    monkeypatch.setattr(indexing, "connect", small)
    with pytest.raises(ClewError) as error:
        index(texts, path)
    assert str(error.value) == (
        f"The index {path} cannot be used: the disk is full; make room on it. All counts up to the last "
        "checkpoint are kept: add --resume to go on."
    )
    with open_index(path) as unfinished:
        record = unfinished.feature(0, 3)
        assert record is not None
        assert sum(record.histogram.counts) == unfinished.metadata.positions > 0
    monkeypatch.setattr(indexing, "connect", real)
    index(texts, path, replace(SETTINGS, resume=True))
    assert_same(path, whole)


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(ClewError) as error:
        act()
    return str(error.value)


def test_stopped_while_it_is_finished(texts: Path, whole: Path, tmp_path: Path):
    """When all is read, the output tokens of each layer are a step of their own."""
    path = tmp_path / "finishing.sqlite3"
    phases: list[str] = []
    about = index(
        *(texts, path),
        on_progress=lambda phase, done, total: phases.append(phase),
        should_stop=lambda: phases.count("output tokens") == 2,
    )
    assert not about.complete
    index(texts, path, replace(SETTINGS, resume=True))
    assert_same(path, whole)


def test_an_index_may_end_with_fewer_tokens_than_it_was_begun_for(texts: Path, tmp_path: Path):
    fewer, path, straight = (tmp_path / f"{name}.sqlite3" for name in ("fewer", "path", "straight"))
    index(texts, straight, replace(SETTINGS, tokens=300))
    index(texts, path, should_stop=lambda: True)
    about = index(texts, path, replace(SETTINGS, resume=True, tokens=300))
    assert (about.complete, about.wanted) == (True, 300)
    assert_same(path, straight)
    read = index(texts, fewer, should_stop=lambda: True).positions
    about = index(texts, fewer, replace(SETTINGS, resume=True, tokens=read - 1))
    assert (about.complete, about.positions) == (True, read), "what is read already stays"


def test_what_does_not_go_on_with_an_index_is_refused(texts: Path, tmp_path: Path):
    path = tmp_path / "begun.sqlite3"
    index(texts, path, replace(SETTINGS, tokens=500), should_stop=lambda: True)
    assert refusal(lambda: index(texts, path)) == (
        f"{path} exists already. Add --resume to finish it, --replace to put a new index in its place "
        "(labels stay), or name another file with --out."
    )
    other = replace(SETTINGS, resume=True, tokens=501)
    assert refusal(lambda: index(texts, path, other)) == (
        f"{path} was begun with another number of tokens (500, now 501); use the same one again, or name "
        "another index with --out."
    )
    more = tmp_path / "more"
    shutil.copytree(texts, more)
    (more / "zz.txt").write_text("w3 w4")
    assert "have changed since the index was begun" in refusal(
        lambda: index(more, path, replace(SETTINGS, resume=True, tokens=500))
    )
    changed = tmp_path / "changed.txt"
    for text in ("w3 w4 w5 " * 400, "w3 w4"):
        changed.write_text(text)
        assert refusal(lambda: index(changed, path, replace(SETTINGS, resume=True, tokens=500))) == (
            f"The texts in {texts} have changed since the index was begun; name the same texts with "
            "--data, or another index with --out."
        )
    assert refusal(lambda: index(texts, tmp_path)) == f"{tmp_path} is a folder; name a file in it."
    short = replace(SETTINGS, window=1)
    assert refusal(lambda: index(texts, tmp_path / "new", short)) == (
        "window must be a whole number from 2, not 1."
    )
    none = replace(SETTINGS, shard=(3, 2))
    assert refusal(lambda: index(texts, tmp_path / "new", none)) == (
        "There is no shard 3 of 2; give --shard 1/2 and so on."
    )


def test_what_cannot_be_merged_is_refused(texts: Path, whole: Path, tmp_path: Path):
    out, one, begun, shorter = (tmp_path / f"{name}.sqlite3" for name in ("out", "one", "begun", "shorter"))
    index(texts, one, replace(SETTINGS, shard=(1, 2)))
    index(texts, begun, should_stop=lambda: True)
    index(texts, shorter, replace(SETTINGS, tokens=300))
    assert refusal(lambda: merge_shards(whole, [one])) == f"{whole} exists already; name another file."
    assert refusal(lambda: merge_shards(out, [one, one])) == (
        "Expected each of the shards 1 to 2 of 2 once, not 1/2, 1/2."
    )
    assert refusal(lambda: merge_shards(out, [one, begun])) == (
        f"{begun} is unfinished; finish it with clew index --resume before merging."
    )
    assert refusal(lambda: merge_shards(out, [one, shorter])) == (
        f"{shorter} and {one} are not of one pass: they differ in the number of tokens."
    )
    with sqlite3.connect(shorter) as connection:
        connection.execute("UPDATE about SET value = 'true' WHERE key = 'partial'")
    assert refusal(lambda: merge_shards(out, [shorter])) == (
        f"{shorter} holds only some of the features; name the shards of one pass."
    )
    assert not out.exists()


def test_two_passes_at_once_do_not_write_the_same_index(texts: Path, whole: Path, tmp_path: Path) -> None:
    out, asked = tmp_path / "a.sqlite3", []

    def another_pass_comes_by() -> bool:
        asked.append(1)
        if len(asked) == 3:
            index(texts, out, replace(SETTINGS, resume=True))
        return False

    with pytest.raises(ClewError, match=f"Another clew index is writing {out} too; let it finish"):
        index(texts, out, should_stop=another_pass_comes_by)
    assert_same(out, whole)
