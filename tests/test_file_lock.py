"""Files that several processes change at once keep every change, their mode and their owner."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import clew
from clew.cli.commands import annotate
from clew.cli.main import main
from clew.errors import ClewError
from clew.file_lock import changing
from clew.files import check_writable, replacing, write_file
from tests.graph.test_file import full_graph

HOLD_THE_LOCK = """
import sys, time
from clew.file_lock import changing
from clew.files import replacing
with changing(sys.argv[1]), replacing(sys.argv[1]) as partial:
    partial.write_text("half of a gra")
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    return full_graph().save(tmp_path / "a.clew")


def test_six_annotations_at_once_are_all_kept(graph_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = clew.open(graph_file).node_ids[:6]

    def check_slowly(path: Path) -> None:
        time.sleep(0.05)  # each has read the file before the first one writes it, if nothing holds them
        check_writable(path)

    monkeypatch.setattr(annotate, "check_writable", check_slowly)
    with ThreadPoolExecutor(6) as threads:
        codes = list(
            threads.map(lambda node: main(["annotate", str(graph_file), "--label", f"{node}=x"]), nodes)
        )
    assert codes == [0] * 6
    assert set(nodes) <= set(clew.open(graph_file).annotations.labels)
    assert list(graph_file.parent.iterdir()) == [graph_file]


def test_a_killed_process_holds_no_lock_and_changes_nothing(graph_file: Path) -> None:
    before = graph_file.read_bytes()
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(graph_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.send_signal(signal.SIGKILL)
    assert graph_file.read_bytes() == before
    with changing(graph_file):
        pass


def test_a_lock_that_is_held_for_long_is_said(graph_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.file_lock.SECONDS_TO_WAIT", 0)
    with (
        changing(graph_file),
        pytest.raises(ClewError, match="Another clew has been changing a file in"),
        changing(graph_file.with_name("b.clew")),
    ):
        pass


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_file_that_is_written_anew_keeps_its_mode_and_owner(graph_file: Path, mode: int) -> None:
    graph_file.chmod(mode)
    if os.getuid() == 0:
        os.chown(graph_file, 12345, 12346)
    before = graph_file.stat()
    with replacing(graph_file) as partial:
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600  # nobody else reads it while it is written
        partial.write_bytes(b"new")
    after = graph_file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_new_file_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert stat.S_IMODE(write_file(tmp_path / "a", b"a").stat().st_mode) == 0o640
    finally:
        os.umask(before)
