"""Graphs and indexes know the weights that they were made with, whatever the files' names and times."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import clew
from clew.cli.index_lookup import index_of_graph
from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.errors import ClewError
from clew.index.labels.graph_features import with_index_labels
from clew.load_settings import LoadSettings
from clew.server.indexes import Indexes
from clew.server.model_cache import ModelCache
from tests.random_transcoders import random_transcoders
from tests.tiny import tiny_model

PROMPT = [3, 5, 7, 9]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path / "indexes"))
    model = tiny_model("LlamaForCausalLM")
    model.network.save_pretrained(tmp_path / "model")
    model.tokenizer.save_pretrained(tmp_path / "model")
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": "w3 w4 w5 w6 w7 w8 w9"}) + "\n")
    return tmp_path / "model"


def change_in_place(folder: Path) -> None:
    """Other numbers in one matrix, under the same size and time stamp."""
    path = folder / "model.safetensors"
    before, tensors = path.stat(), load_file(path)
    name = "model.layers.1.mlp.down_proj.weight"
    changed = tensors | {name: tensors[name] + torch.randn(tensors[name].shape)}
    path.unlink()  # the loaded model still reads the old file
    save_file(changed, path, metadata={"format": "pt"})
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_graph_of_other_weights_is_refused(folder):
    before = clew.load(folder)
    graph = before.trace(PROMPT)
    before.validate(graph, count=2)
    change_in_place(folder)
    after = clew.load(folder)
    for use in (
        lambda: after.validate(graph, count=2),
        lambda: after.intervene(PROMPT, graph=graph),
        lambda: after.circuit(graph, features=[]),
    ):
        with pytest.raises(ClewError, match="traced with other weights of model than those of model here"):
            use()
    after.validate(after.trace(PROMPT), count=2)


def test_an_index_of_other_weights_is_refused(folder, tmp_path, capsys):
    before, texts = clew.load(folder), tmp_path / "texts.jsonl"
    out = tmp_path / "index.sqlite3"
    index = before.index(texts, out=out)
    own = before.trace(PROMPT)
    assert index.metadata.weights == own.info.settings["weights"] != ""
    change_in_place(folder)
    after = clew.load(folder)
    graph = after.trace(PROMPT)
    message = "was made with other weights of model"
    with pytest.raises(ClewError, match=message):
        after.index(texts, out=out, resume=True)
    with pytest.raises(ClewError, match=message), index_of_graph(graph, out):
        pass
    with index_of_graph(own, out) as opened:
        assert opened is not None
    indexes = Indexes([out])
    assert indexes.of(own) is not None
    with pytest.raises(ClewError, match=message):
        indexes.of(graph)
    assert indexes.readable(graph) is None
    indexes.close()


def test_an_index_in_the_usual_place_is_left_out_with_a_warning(folder, tmp_path, capsys):
    before = clew.load(folder)
    before.index(tmp_path / "texts.jsonl")
    change_in_place(folder)
    graph = clew.load(folder).trace(PROMPT)
    with pytest.raises(ClewError, match="other weights"):
        with_index_labels(graph)
    with index_of_graph(graph, None) as index:
        assert index is None
    assert "Warning: the index is not used: " in capsys.readouterr().err


@pytest.fixture
def dictionary(folder: Path, tmp_path: Path) -> Path:
    model = clew.load(folder)
    made = random_transcoders(model.language_model, "PLT JumpReLU")
    save_transcoders(made.transcoders, tmp_path / "plt", "model")
    return tmp_path / "plt"


def change_decoders(folder: Path) -> None:
    """Other decoders, so that every activation stays."""
    path = folder / "layer_1.safetensors"
    before, arrays = path.stat(), load_file(path)
    save_file(arrays | {"W_dec": arrays["W_dec"] + 1}, path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_dictionary_that_changed_in_place_is_noticed(folder, dictionary, tmp_path):
    before, texts = clew.load(folder, dictionary=dictionary, check=False), tmp_path / "texts.jsonl"
    graph, index = before.trace(PROMPT), before.index(texts, out=tmp_path / "index.sqlite3")
    assert index.metadata.dictionary_weights == graph.info.settings["dictionary_weights"] != ""
    before.validate(graph, count=2)
    change_decoders(dictionary)
    after = clew.load(folder, dictionary=dictionary, check=False)
    for use in (
        lambda: after.validate(graph, count=2),
        lambda: after.intervene(PROMPT, graph=graph),
        lambda: after.circuit(graph, features=[]),
        lambda: after.patch("L1/3", PROMPT, graph=graph),
    ):
        with pytest.raises(ClewError, match="traced with other weights of plt than those of plt here"):
            use()
    message = "was made with other weights of plt"
    with pytest.raises(ClewError, match=message):
        after.index(texts, out=index.path, resume=True)
    with pytest.raises(ClewError, match=message):
        Indexes([index.path]).of(after.trace(PROMPT))
    difference = graph.compare(after.trace(PROMPT))
    assert not difference.same_features
    assert "traced with different weights of plt, so their features do not correspond." in difference.note


def test_the_same_dictionary_elsewhere_is_the_same(folder, dictionary, tmp_path):
    graph = clew.load(folder, dictionary=dictionary, check=False).trace(PROMPT)
    copy = shutil.copytree(dictionary, tmp_path / "elsewhere" / "plt")
    clew.load(folder, dictionary=copy, check=False).validate(graph, count=2)


def test_a_graph_of_another_model_is_not_called_changed(folder, tmp_path):
    graph = clew.load(folder).trace(PROMPT)
    other = tiny_model("LlamaForCausalLM", seed=1)
    other.network.save_pretrained(tmp_path / "other")
    other.tokenizer.save_pretrained(tmp_path / "other")
    with pytest.raises(ClewError, match="was traced with model, not with other; load model"):
        clew.load(tmp_path / "other").validate(graph, count=2)


def test_the_server_loads_a_model_anew_when_its_files_change(folder):
    cache, wanted = ModelCache(), LoadSettings(str(folder), device="cpu")
    first = cache.get(wanted, print, lambda: None)
    assert cache.get(wanted, print, lambda: None) is first
    change_in_place(folder)
    second = cache.get(wanted, print, lambda: None)
    assert second.language_model.weights_key != first.language_model.weights_key


def test_the_server_loads_a_dictionary_anew_when_its_files_change(folder, dictionary):
    cache, wanted = (
        ModelCache(),
        LoadSettings(str(folder), dictionary=str(dictionary), device="cpu", check=False),
    )
    first = cache.get(wanted, print, lambda: None)
    assert cache.get(wanted, print, lambda: None) is first
    path = dictionary / "layer_1.safetensors"
    save_file(load_file(path) | {"b_dec": torch.ones(first.language_model.d_model)}, path)
    second = cache.get(wanted, print, lambda: None)
    assert second.dictionary.weights_key != first.dictionary.weights_key
