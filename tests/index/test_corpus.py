"""Texts from files of all kinds, and whatever else lies among them."""

from __future__ import annotations

import gzip
import json
import lzma
import tracemalloc
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from clew.errors import ClewError
from clew.index.creation.corpus import PIECE, find_files, read_pieces


def read(*paths: Path) -> tuple[list[str], Counter[str]]:
    """Whole texts, and what was skipped."""
    skipped: Counter[str] = Counter()
    texts: list[str] = []
    for piece in read_pieces(find_files(paths), lambda reason, path: skipped.update([reason])):
        if piece.begins:
            texts.append("")
        texts[-1] += piece.text
        assert len(piece.text) <= 2 * PIECE
    return texts, skipped


def test_every_kind_of_file(tmp_path: Path):
    (tmp_path / "a.txt").write_text("\ufeffone text\nof two lines\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "first"}\n\n"second"\n')
    (tmp_path / "c.json").write_text(json.dumps([{"text": "third"}, "fourth"]))
    (tmp_path / "d.json").write_text('{"text": "fifth"}\n{"text": "sixth"}\n')
    with gzip.open(tmp_path / "e.txt.gz", "wt") as file:
        file.write("seventh")
    with lzma.open(tmp_path / "e2.jsonl.xz", "wt") as file:
        file.write('"eighth"')
    (tmp_path / "f.jpg").write_bytes(b"\xff\xd8")
    texts, skipped = read(tmp_path)
    assert texts == [
        "one text\nof two lines\n",
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
    ]
    assert not skipped


def test_long_texts_come_in_pieces_and_nothing_is_lost(tmp_path: Path):
    lines = "".join(f"line {number} of a long text\n" for number in range(5000))
    (tmp_path / "lines.txt").write_text(lines)
    (tmp_path / "one.jsonl").write_text(json.dumps({"text": lines}))
    (tmp_path / "solid.jsonl").write_text(json.dumps("x" * 100_000))
    texts, _ = read(tmp_path)
    assert texts == [lines, lines, "x" * 100_000]


def test_what_cannot_be_read_is_skipped_and_counted(tmp_path: Path):
    (tmp_path / "a-empty.txt").touch()
    (tmp_path / "b-binary.txt").write_bytes(b"\x00\x01" * 100)
    (tmp_path / "c-latin.txt").write_bytes("good\ncaf\xe9\ngood\n".encode("latin-1"))
    (tmp_path / "d-utf16.txt").write_text("text", encoding="utf-16")
    (tmp_path / "e-damaged.txt.gz").write_bytes(gzip.compress(b"text " * 100)[:-20])
    (tmp_path / "f-none.txt.gz").write_bytes(b"no archive")
    (tmp_path / "f2.txt.xz").write_bytes(lzma.compress(b"text " * 100)[:-20])
    (tmp_path / "f3.txt.xz").write_bytes(b"no archive")
    (tmp_path / "g.jsonl").write_text('{"text": 5}\n[]\n{broken\n{"text": "good \\ud800"}\n' + "[" * 100_000)
    (tmp_path / "h.json").write_bytes(b'"\xff"')
    texts, skipped = read(tmp_path)
    assert texts == ["good\ngood\n", "good ?"]
    assert skipped == {
        "empty file": 1,
        "binary file": 1,
        "line that is not UTF-8": 1,
        "damaged archive": 4,
        'entry without a field "text"': 2,
        "line that is not JSON": 2,
        "file that is not UTF-8": 2,
    }


def test_an_endless_line_is_skipped_within_little_memory(tmp_path: Path):
    path = tmp_path / "endless.txt"
    with path.open("wb") as file:
        file.write(b"before\n")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\nafter\n")
    tracemalloc.start()
    texts, skipped = read(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (texts, skipped) == (["before\nafter\n"], {"line that is too long": 1})
    assert most < 20_000_000


def test_texts_in_another_field(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": "found", "text": "not this"}\n{"text": "nor this"}\n"found too"\n')
    skipped: list[str] = []
    pieces = read_pieces([path], lambda reason, path: skipped.append(reason), field="body")
    assert [piece.text for piece in pieces] == ["found", "found too"]
    assert skipped == ['entry without a field "body"']


def refusal(*paths: Path) -> str:
    with pytest.raises(ClewError) as error:
        find_files(paths)
    return str(error.value)


def test_texts_that_are_not_there_are_refused(tmp_path: Path):
    missing = tmp_path / "missing"
    assert refusal(missing) == f"There is no file or folder {missing}; check the name."
    assert refusal() == "No texts are named; name files or folders with --data."
    assert refusal(tmp_path).startswith(f"{tmp_path} holds no texts; clew reads .txt, ")


@pytest.mark.skipif(find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_pyarrow_is_refused(tmp_path: Path):
    path = tmp_path / "a.parquet"
    path.touch()
    assert refusal(path) == f"{path} needs pyarrow to be read: pip install pyarrow."
