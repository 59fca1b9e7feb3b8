"""A loaded model stays what it was whatever happens to its files, and a change of them is noticed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from clew.errors import ClewError
from clew.model import loading
from clew.model.loading import load_language_model
from tests.tiny import random_ids


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


def overwrite(path: Path) -> None:
    """Change one number of a file in place, and set its time back as `cp --preserve` does."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(-2, os.SEEK_END)
        file.write(b"\x40\x40")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


CHANGES: dict[str, Callable[[Path], object]] = {
    "weights overwritten": lambda folder: overwrite(folder / "model.safetensors"),
    "weights cut short": lambda folder: os.truncate(folder / "model.safetensors", 100),
    "tokenizer": lambda folder: append(folder / "tokenizer.json"),
    "configuration": lambda folder: append(folder / "config.json"),
    "another file": lambda folder: (folder / "chat_template.jinja").write_text("{{ messages }}"),
    "gone": shutil.rmtree,
}


def test_the_running_model_does_not_change_with_its_files(folder: Path) -> None:
    model, ids = load_language_model(folder, name="tiny"), random_ids(5)[None]
    before = model.next_token_logits(ids)
    assert not model.changed_on_disk()
    weights = folder / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(weights.stat().st_size // 2)
        file.write(b"\x40" * (weights.stat().st_size // 2))
    torch.testing.assert_close(model.next_token_logits(ids), before, rtol=0, atol=0)
    os.truncate(weights, 0)  # where pages of the file are the weights, this ends the process
    torch.testing.assert_close(model.next_token_logits(ids), before, rtol=0, atol=0)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_on_disk_is_noticed(folder: Path, change: str) -> None:
    model = load_language_model(folder, name="tiny")
    CHANGES[change](folder)
    assert model.changed_on_disk()


def test_files_that_change_while_they_are_read_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_while_somebody_writes(*_: object) -> None:
        overwrite(folder / "model.safetensors")

    monkeypatch.setattr(loading, "check_loaded", check_while_somebody_writes)
    with pytest.raises(ClewError, match="changed while they were read; load them again"):
        load_language_model(folder, name="tiny")


def test_a_gguf_that_is_written_anew_is_noticed(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "tiny.gguf"
    source.write_bytes(b"GGUF")
    model = load_language_model(folder, name="tiny", sources=[source])
    assert not model.changed_on_disk()
    append(source)
    assert model.changed_on_disk()
