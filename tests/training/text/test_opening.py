"""Data of every kind becomes batches, which a saved place continues exactly."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.training.text.batches import TextBatches, TokenBatches
from clew.training.text.opening import Shape, open_data
from clew.training.text.sources import Skipped, find_sources
from clew.training.text.streamed_batches import StreamedBatches
from tests.tiny import tiny_model

SHAPE = Shape(first_token=0, context=5, batch=8, held_out=3)
WORDS = [*range(3, 20), *range(30, 60)]
"""Words of the tokenizer that do not begin with the special `w2`."""


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return tiny_model("LlamaForCausalLM")


def lines(first: int, count: int) -> str:
    """Lines that are told apart by their two first words."""
    numbers = range(first, first + count)
    return "".join(f"w{WORDS[n // 40]} w{WORDS[n % 40]} w4 w5 w6 w7 w8 w9\n" for n in numbers)


def folder_of(path: Path, *counts: int) -> Path:
    """A folder with a file of so many lines each."""
    path.mkdir(exist_ok=True)
    for number, count in enumerate(counts):
        (path / f"{number}.txt").write_text(lines(sum(counts[:number]), count))
    return path


def opened(model: LanguageModel, *data: Any, shape: Shape = SHAPE, **options: Any) -> TokenBatches:
    return open_data(model, [str(name) for name in data], shape, **{"tokens": 100, **options})


def keys(rows: torch.Tensor) -> list[tuple[int, int]]:
    return [(int(first), int(second)) for first, second in rows[:, 1:3]]


def small_buffer(model: LanguageModel, *data: Path, seed: int = 0, buffer: int = 20) -> StreamedBatches:
    batches = opened(model, *data)
    assert isinstance(batches, StreamedBatches)
    skipped = Skipped()
    sources = find_sources([str(path) for path in data], "text", skipped)
    return StreamedBatches(
        sources, batches._cutter, batch=8, seed=seed, held_out=3, skipped=skipped, buffer=buffer
    )


def test_batches_are_full_and_begin_with_the_sink(model: LanguageModel, tmp_path: Path):
    batches = opened(model, folder_of(tmp_path, 200, 100))
    batch = batches.next()
    assert batch.shape == (8, 5)
    assert batch.dtype == torch.int64
    assert set(batch[:, 0].tolist()) == {0}
    assert batches.held_out.shape == (3, 5)
    assert len(set(keys(batch))) > 4  # the buffer holds each text several times


def test_every_text_is_read_as_often(model: LanguageModel, tmp_path: Path):
    batches = small_buffer(model, folder_of(tmp_path, 120, 80))
    seen = [key for _ in range(100) for key in keys(batches.next())]
    apart = keys(batches.held_out)
    assert not set(apart) & set(seen)
    assert len(set(apart) | set(seen)) == 200
    often = [seen.count(key) for key in set(seen)]
    assert (min(often), max(often)) in {(3, 5), (4, 5), (3, 4)}


@pytest.mark.parametrize("steps", [0, 1, 13, 60])
def test_a_saved_place_continues_with_the_same_batches(model: LanguageModel, tmp_path: Path, steps: int):
    folder = folder_of(tmp_path, 120, 80)
    batches = small_buffer(model, folder)
    for _ in range(steps):
        batches.next()
    torch.save(batches.state(), tmp_path / "state")
    expected = [batches.next() for _ in range(40)]
    resumed = small_buffer(model, folder)
    resumed.restore(torch.load(tmp_path / "state", weights_only=True))
    assert all(torch.equal(resumed.next(), batch) for batch in expected)
    assert torch.equal(resumed.held_out, batches.held_out)


def test_seeds_give_orders(model: LanguageModel, tmp_path: Path):
    folder = folder_of(tmp_path, 120, 80)
    first, same, other = (small_buffer(model, folder, seed=seed).next() for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("same_size", [False, True])
def test_text_that_has_changed_is_refused(model: LanguageModel, tmp_path: Path, same_size: bool):
    folder = folder_of(tmp_path, 120, 80)
    state = small_buffer(model, folder).state()
    path = folder / "1.txt"
    path.write_text(path.read_text()[::-1] if same_size else "w3 w4\n" * 80)
    with pytest.raises(
        ClewError, match=r"trained on has changed \(1.txt \(\d+ bytes, \w{12}\)\); resume with"
    ):
        small_buffer(model, folder).restore(state)


def test_a_place_that_was_saved_without_keys_of_the_content_continues(model: LanguageModel, tmp_path: Path):
    folder = folder_of(tmp_path, 120, 80)
    state = small_buffer(model, folder).state()
    state["sources"] = [re.sub(r", \w{12}\)$", ")", source) for source in state["sources"]]
    assert "bytes)" in state["sources"][0]
    small_buffer(model, folder).restore(state)
    state["sources"][0] = state["sources"][0].replace(" bytes", "0 bytes")
    with pytest.raises(ClewError, match="trained on has changed"):
        small_buffer(model, folder).restore(state)


def test_text_that_vanishes_is_refused(model: LanguageModel, tmp_path: Path):
    folder = folder_of(tmp_path, 40)
    batches = small_buffer(model, folder)
    (folder / "0.txt").write_text("")
    with pytest.raises(ClewError, match="fills too few sequences of 5 tokens"):
        [batches.next() for _ in range(20)]


def test_fields_and_kinds_of_files(model: LanguageModel, tmp_path: Path):
    rows = [json.dumps({"body": line}) for line in lines(0, 60).splitlines()]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    assert opened(model, tmp_path / "a.jsonl", field="body").next().shape == (8, 5)
    with pytest.raises(
        ClewError, match=r'\(skipped: 60 times entry without a field "text"\); name more text'
    ):
        opened(model, tmp_path / "a.jsonl")


def test_data_that_cannot_be_used_is_refused(model: LanguageModel, tmp_path: Path):
    (tmp_path / "short.txt").write_text("w3 w4 w5")
    (tmp_path / "latin.txt").write_bytes(lines(0, 60).encode() + b"caf\xe9\n")
    (tmp_path / "wide.txt").write_text(lines(0, 60), encoding="utf-16")
    with pytest.raises(ClewError, match=r"short.txt fills too few sequences of 5 tokens"):
        opened(model, tmp_path / "short.txt")
    with pytest.raises(ClewError, match=r"\(skipped: file that is not UTF-8\)"):
        opened(model, tmp_path / "wide.txt")
    with pytest.raises(ClewError, match=r"There is no file or folder missing.txt"):
        opened(model, "missing.txt")
    with pytest.raises(ClewError, match="No text is named; name files, a folder, a dataset of the Hub, or"):
        opened(model)
    skipped = Skipped()
    opened(model, tmp_path / "latin.txt", skipped=skipped)
    assert str(skipped) == "line that is not UTF-8"


class Rows(list):
    """A streamed dataset, as far as it is used."""

    def skip(self, count: int) -> Rows:
        return Rows(self[count:])


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Rows]:
    """Datasets of the Hub, by name and configuration."""
    found: dict[str, Rows] = {"owner/texts None": Rows({"text": line} for line in lines(0, 60).splitlines())}

    def load_dataset(name: str, configuration: str | None, *, split: str, streaming: bool) -> Rows:
        assert (split, streaming) == ("train", True)
        if (key := f"{name} {configuration}") not in found:
            raise FileNotFoundError(f"Dataset '{name}' doesn't exist on the Hub")
        return found[key]

    module = ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.setattr("clew.training.text.sources.find_spec", lambda name: module)
    return found


def test_datasets_of_the_hub(model: LanguageModel, hub: dict[str, Rows]):
    plain, named = opened(model, "owner/texts"), opened(model, "hub:owner/texts")
    state = plain.state()
    batches = [plain.next() for _ in range(9)]
    assert all(torch.equal(named.next(), batch) for batch in batches)
    named.restore(state)
    assert all(torch.equal(named.next(), batch) for batch in batches)
    hub["owner/texts small"] = Rows({"content": "w3", "id": 5} for _ in range(3))
    with pytest.raises(
        ClewError, match="texts:small has no text in a column 'text', only the columns content, id"
    ):
        opened(model, "hub:owner/texts:small")
    with pytest.raises(
        ClewError, match="The dataset owner/none cannot be read: Dataset 'owner/none' doesn't"
    ):
        opened(model, "owner/none")


def test_a_dataset_without_the_package_is_refused(model: LanguageModel, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clew.training.text.sources.find_spec", lambda name: None)
    for name in ("hub:texts", "owner/texts"):
        with pytest.raises(ClewError, match=f"{name} is no file here, .*: pip install datasets"):
            opened(model, name)


def test_the_models_own_text(model: LanguageModel, tmp_path: Path):
    steps: list[tuple[int, int]] = []
    batches = opened(
        model, "self", tokens=1000, folder=tmp_path, on_step=lambda done, total: steps.append((done, total))
    )
    assert isinstance(batches, TextBatches)
    assert steps[-1] == (66, 66)  # a quarter of the tokens by 4 a text, and 3 kept apart
    assert len(batches.held_out) == 3
    assert batches.next().shape == (8, 5)
    kept = opened(model, "self", tokens=1000, folder=tmp_path, on_step=lambda *_: pytest.fail("writes anew"))
    assert torch.equal(kept.held_out, batches.held_out)
    (tmp_path / "own_text.safetensors").write_bytes(b"damaged")
    anew = opened(model, "self", tokens=1000, folder=tmp_path)
    assert torch.equal(anew.held_out, batches.held_out)
    other = opened(model, "self", tokens=1000, folder=tmp_path, shape=Shape(0, 5, 8, 3, seed=1))
    assert not torch.equal(other.held_out, batches.held_out)


def test_the_models_own_text_behind_beginnings_of_a_text(model: LanguageModel, tmp_path: Path):
    path = tmp_path / "beginnings.txt"
    path.write_text("w40 w41 w42 w43 w44 w45\n" * 20)
    batches = opened(model, "self", path)
    assert {row[1] for row in batches.next().tolist()} == {40}
    path.write_text("\n\n...\n")
    with pytest.raises(ClewError, match="holds no sentence that the model could go on from"):
        opened(model, "self", path)


def test_the_models_own_text_begins_with_many_words(model: LanguageModel):
    batches = opened(model, "self", tokens=100, shape=Shape(0, 6, 200, 0))
    assert len(set(batches.next()[:, 1:].flatten().tolist())) > 40
