"""A pass takes the same memory however long the text is."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from torch import Tensor

from clew.dictionary.neurons import NeuronDictionary
from clew.errors import ClewError
from clew.index.creation import indexing
from clew.index.creation.indexing import index_texts
from clew.index.creation.statistics import LayerStatistics
from clew.index.creation.top_k import TopEntries
from clew.index.settings import IndexSettings
from clew.index.storage.index import open_index
from tests.random_transcoders import random_transcoders
from tests.tiny import tiny_model

from .conftest import words

BYTES_PER_FEATURE = 5200
"""What docs/guide/what-features-mean.md says."""


def bytes_of(statistics: LayerStatistics) -> int:
    found = 0
    for value in (getattr(statistics, f.name) for f in fields(statistics)):
        parts = [value] if isinstance(value, Tensor) else []
        if isinstance(value, TopEntries):
            parts = [value.value, value.key, value.window, *value.columns.values()]
        found += sum(part.nbytes for part in parts)
    return found


def held_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> tuple[int, int]:
    """Bytes of all statistics, and the most windows that were held, after so many words."""
    kept: dict[int, LayerStatistics] = {}
    most = 0
    real = indexing._count

    def watched(*arguments: object) -> None:
        nonlocal most
        real(*arguments)  # type: ignore[arg-type]
        state = arguments[3]
        assert isinstance(state, indexing._Pass)
        most = max(most, len(state.windows))
        kept.update(state.layers)

    monkeypatch.setattr(indexing, "_count", watched)
    monkeypatch.setattr(indexing, "WINDOWS_HELD", 40)
    text = tmp_path / f"{count}.txt"
    text.write_text(words(count, seed=1))
    model = tiny_model("LlamaForCausalLM")
    out = tmp_path / f"{count}.sqlite3"
    index_texts(model, NeuronDictionary(model), [text], out, IndexSettings(window=16))
    monkeypatch.setattr(indexing, "_count", real)
    return sum(map(bytes_of, kept.values())), most


def test_twenty_times_the_text_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    short, short_windows = held_after(tmp_path, monkeypatch, 800)
    long, long_windows = held_after(tmp_path, monkeypatch, 16_000)
    assert short == long <= 60 * BYTES_PER_FEATURE
    assert short_windows <= long_windows <= 40 + 16


def test_features_that_are_never_active_are_said_to_be_so(texts: Path, tmp_path: Path):
    dictionary = random_transcoders(tiny_model("LlamaForCausalLM"), "PLT ReLU")
    for part in dictionary.transcoders.layers.values():
        part.encoder_bias.read()[2] = -1000
    path = tmp_path / "dead.sqlite3"
    index_texts(dictionary.model, dictionary, [texts], path, IndexSettings(window=16))
    with open_index(path) as index:
        record = index.feature(1, 2)
        assert record is not None
        assert record.never_seen
        assert (record.groups, record.mean, record.maximum) == ((), 0, 0)
        assert len(record.top_outputs) == 10
        assert index.count_seen() < index.metadata.n_features


def test_activations_that_are_not_finite_are_refused(texts: Path, tmp_path: Path):
    model = tiny_model("LlamaForCausalLM")
    neurons = model.layers[1].neurons
    assert neurons is not None
    neurons.up.weight[3] = float("inf")
    with pytest.raises(ClewError) as error:
        index_texts(model, NeuronDictionary(model), [texts], tmp_path / "a.sqlite3")
    assert str(error.value) == (
        "tiny's weights model.layers.1.mlp.up_proj.weight hold numbers that are not finite; fetch or save "
        "its files again."
    )


def test_a_text_of_nothing_is_refused(tmp_path: Path):
    (tmp_path / "empty.txt").touch()
    model = tiny_model("LlamaForCausalLM")
    with pytest.raises(ClewError) as error:
        index_texts(model, NeuronDictionary(model), [tmp_path / "empty.txt"], tmp_path / "a.sqlite3")
    assert str(error.value) == f"{tmp_path / 'empty.txt'} holds no text that clew can read (empty file)."
    assert not (tmp_path / "a.sqlite3").exists()
